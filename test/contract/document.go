package contract

import (
	"sort"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is the API as it is described.
type Document struct {
	T *openapi3.T
	// Routes in the order of paths and methods.
	Routes []*Route
	// failures is a route that documents every failure: what is asked for in vain is held against it.
	failures *Route
}

// Route is one method of one path.
type Route struct {
	Method, Path string
	Item         *openapi3.PathItem
	Operation    *openapi3.Operation
	Parameters   []*openapi3.Parameter
	// Credential is "namespace", "admin", or "" for a public route.
	Credential string
}

// Name is what people call the route.
func (r *Route) Name() string { return r.Method + " " + r.Path }

// Slow routes remove data and wait for all nodes, so they are asked seldom.
func (r *Route) Slow() bool {
	return r.Operation.Tags[0] == "maintenance"
}

// Load reads the document.
func Load(file string) (*Document, error) {
	t, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		return nil, err
	}
	d := &Document{T: t}
	for path, item := range t.Paths.Map() {
		for method, operation := range item.Operations() {
			r := &Route{Method: method, Path: path, Item: item, Operation: operation}
			for _, list := range []openapi3.Parameters{item.Parameters, operation.Parameters} {
				for _, p := range list {
					r.Parameters = append(r.Parameters, p.Value)
				}
			}
			if operation.Security != nil {
				for _, requirement := range *operation.Security {
					for name := range requirement {
						if name == "namespace" || name == "admin" {
							r.Credential = name
						}
					}
				}
			}
			d.Routes = append(d.Routes, r)
		}
	}
	sort.Slice(d.Routes, func(i, j int) bool { return d.Routes[i].Name() < d.Routes[j].Name() })
	for _, r := range d.Routes {
		if r.Path == "/api/auth/push" {
			d.failures = r
		}
	}
	return d, nil
}
