package contract

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"slices"
	"sort"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Generator makes requests to one site.
type Generator struct {
	Document *Document
	Site     *Site
}

// Next makes a request: a third is valid, a third differs in one thing, the others in several.
func (g *Generator) Next(c *Choices) *Request {
	route := pick(c, g.Document.Routes)
	// Some take a second each, for all nodes to hear of it.
	for route.Slow() && !c.Percent(5) {
		route = pick(c, g.Document.Routes)
	}
	r := g.Valid(c, route)
	switch n := c.N(100); {
	case n < 33:
	case n < 66:
		g.spoil(c, r)
	case n < 92:
		for range 2 + c.N(4) {
			g.spoil(c, r)
		}
	case n < 97:
		g.confuse(c, r)
	default:
		g.rawRequest(c, r)
	}
	return r
}

// Valid makes a request the document allows, with a credential that may do it.
func (g *Generator) Valid(c *Choices, route *Route) *Request {
	r := &Request{Route: route, Method: route.Method, Target: route.Path}
	query := url.Values{}
	for _, p := range route.Parameters {
		if !p.Required && c.Percent(50) {
			continue
		}
		value := g.value(c, route, p.Name, p.Schema, 0)
		switch p.In {
		case openapi3.ParameterInPath:
			r.Target = strings.ReplaceAll(r.Target, "{"+p.Name+"}", url.PathEscape(text(value)))
		case openapi3.ParameterInQuery:
			if list, ok := value.([]any); ok {
				for _, v := range list {
					query.Add(p.Name, text(v))
				}
			} else {
				query.Set(p.Name, text(value))
			}
		case openapi3.ParameterInHeader:
			r.set(p.Name, text(value))
		}
	}
	if len(query) > 0 {
		r.Target += "?" + query.Encode()
	}
	g.authorize(c, r)
	if body := route.Operation.RequestBody; body != nil {
		types := mediaTypes(route)
		media := pick(c, types)
		if slices.Contains(types, typeJSON) && c.Percent(60) {
			media = typeJSON
		}
		value := g.value(c, route, "", body.Value.Content.Get(media).Schema, 0)
		g.setBody(r, media, value)
	}
	return r
}

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

func mediaTypes(route *Route) (types []string) {
	for name := range route.Operation.RequestBody.Value.Content {
		types = append(types, name)
	}
	sort.Strings(types)
	return types
}

func (g *Generator) setBody(r *Request, media string, value any) {
	r.set("Content-Type", media)
	if media == typeForm {
		r.Body = []byte(form("", value))
	} else {
		r.Body = []byte(jsonOf(value))
	}
}

// authorize gives the request one of the credentials that may do it.
func (g *Generator) authorize(c *Choices, r *Request) {
	s := g.Site
	switch n := c.N(10); {
	case r.Route.Credential == "":
		if c.Percent(50) {
			g.withSession(r)
		}
	case n == 0:
		g.withSession(r)
	case r.Route.Credential == "admin":
		r.set("Authorization", basic(s.Admin, s.AdminPass))
	case n == 1:
		r.set("Authorization", basic(s.Admin+"@"+s.Namespace, s.AdminPass))
	case n == 2 && len(s.Keys) > 0:
		r.set("Authorization", "Bearer "+pick(c, s.Keys))
	case n == 3:
		r.set("Authorization", strings.TrimPrefix(basic(s.Namespace, s.Password), "Basic "))
	default:
		r.set("Authorization", basic(s.Namespace, s.Password))
	}
}

func (g *Generator) withSession(r *Request) {
	r.set("Cookie", g.Site.Cookie)
	r.set("X-CSRF-Token", g.Site.CSRF)
	r.set("X-Namespace", url.PathEscape(g.Site.Namespace))
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// object keeps the order of its members.
type object []member

type member struct {
	name  string
	value any
}

// value makes a value of a schema: nil, bool, float64, int64, string, []any or object.
func (g *Generator) value(c *Choices, route *Route, name string, ref *openapi3.SchemaRef, depth int) any {
	if name != "" && c.Percent(85) {
		for _, key := range []string{route.Operation.OperationID + "." + name, name} {
			if list := g.Site.Values[key]; len(list) > 0 {
				return pick(c, list)
			}
		}
	}
	if ref == nil || ref.Value == nil || depth > 5 {
		return "v"
	}
	s := ref.Value
	for _, variants := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf} {
		if len(variants) > 0 {
			return g.value(c, route, "", pick(c, variants), depth+1)
		}
	}
	if len(s.Enum) > 0 {
		return pick(c, s.Enum)
	}
	if s.Nullable && c.Percent(10) {
		return nil
	}
	switch {
	case s.Type.Is("object") || len(s.Properties) > 0 || len(s.AllOf) > 0:
		return g.object(c, route, s, depth)
	case s.Type.Is("array"):
		list := []any{}
		for range int(s.MinItems) + c.N(3) {
			list = append(list, g.value(c, route, name, s.Items, depth+1))
		}
		return list
	case s.Type.Is("boolean"):
		return c.N(2) == 0
	case s.Type.Is("integer"):
		return int64(number(c, s))
	case s.Type.Is("number"):
		return number(c, s)
	case s.Type.Is("string"):
		words := []string{"a", "news", "1", "ein Wort", "日本", "x-1"}
		word := pick(c, words)
		if s.MaxLength != nil && uint64(len(word)) > *s.MaxLength {
			word = word[:*s.MaxLength]
		}
		return word
	}
	return pick(c, []any{"any", int64(1), true, nil, object{{"a", int64(1)}}, []any{int64(1), "b"}})
}

func (g *Generator) object(c *Choices, route *Route, s *openapi3.Schema, depth int) any {
	o := object{}
	for _, part := range s.AllOf {
		if inner, ok := g.value(c, route, "", part, depth+1).(object); ok {
			o = append(o, inner...)
		}
	}
	var names []string
	for name := range s.Properties {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if slices.Contains(s.Required, name) || c.Percent(40) {
			o = append(o, member{name, g.value(c, route, name, s.Properties[name], depth+1)})
		}
	}
	if len(s.Properties) == 0 && c.Percent(70) {
		o = append(o, member{"k", "v"})
	}
	return o
}

func number(c *Choices, s *openapi3.Schema) float64 {
	low, high := 0.0, 100.0
	if s.Min != nil {
		low = *s.Min
	}
	if s.Max != nil {
		high = *s.Max
	}
	return pick(c, []float64{low, high, low + 1, math.Floor((low + high) / 2), min(low+2, high)})
}

// text is a value in a query, a path or a form.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case object, []any:
		return jsonOf(v)
	}
	return fmt.Sprint(v)
}
