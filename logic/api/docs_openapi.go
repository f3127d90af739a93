package api

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// reference is the OpenAPI document as its page shows it.
type reference struct {
	Title       string
	Description string // Markdown
	Groups      []docsGroup
}

// docsGroup is the routes of one tag, in the order of the document.
type docsGroup struct {
	Name   string
	Routes []docsRoute
}

type docsRoute struct {
	ID          string // operationId, the anchor
	Method      string
	Path        string
	Summary     string
	Description string // Markdown
	Credential  string // "namespace", "admin" or ""
	Parameters  []docsField
	Body        []docsField
	Curl        string
	Answers     []docsAnswer
}

// docsField is a parameter, or a field of a body or an answer.
type docsField struct {
	Name        string
	Depth       int // of nesting, for the indentation
	Where       string
	Type        string
	Required    bool
	Description string // Markdown
}

type docsAnswer struct {
	Status      string
	Description string
	Fields      []docsField
	Example     string // JSON
}

// docsDepth bounds how deep nested objects are shown.
const docsDepth = 3

var docsMethods = []string{"get", "post", "put", "delete", "patch"}

// readReference reads an OpenAPI 3 document as far as the page needs it. Its
// order is kept.
func readReference(text []byte) (*reference, error) {
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	if len(file.Content) != 1 {
		return nil, errors.New("openapi.yaml is empty")
	}
	root := node{file.Content[0], file.Content[0]}
	ref := &reference{Title: root.at("info", "title").text(), Description: root.at("info", "description").text()}
	byTag := map[string]int{}
	for _, tag := range root.at("tags").items() {
		byTag[tag.at("name").text()] = len(ref.Groups)
		ref.Groups = append(ref.Groups, docsGroup{Name: tag.at("name").text()})
	}
	for _, path := range root.at("paths").pairs() {
		for _, method := range docsMethods {
			operation := path.value.at(method)
			if operation.Node == nil {
				continue
			}
			route := readRoute(method, path.key, path.value, operation)
			tag := operation.at("tags").first().text()
			at, ok := byTag[tag]
			if !ok {
				return nil, fmt.Errorf("%s %s has no known tag", method, path.key)
			}
			ref.Groups[at].Routes = append(ref.Groups[at].Routes, route)
		}
	}
	return ref, nil
}

func readRoute(method, path string, item, operation node) docsRoute {
	r := docsRoute{
		ID: operation.at("operationId").text(), Method: strings.ToUpper(method), Path: path,
		Summary: operation.at("summary").text(), Description: operation.at("description").text(),
	}
	for _, requirement := range operation.at("security").items() {
		for _, scheme := range requirement.pairs() {
			if r.Credential == "" { // a session of the console may stand in
				r.Credential = scheme.key
			}
		}
	}
	for _, list := range []node{item.at("parameters"), operation.at("parameters")} {
		for _, p := range list.items() {
			r.Parameters = append(r.Parameters, docsField{
				Name: p.at("name").text(), Where: p.at("in").text(), Type: typeOf(p.at("schema")),
				Required: p.at("required").text() == "true", Description: p.at("description").text(),
			})
		}
	}
	body := operation.at("requestBody", "content", "application/json")
	r.Body = fieldsOf(body.at("schema"), 0)
	r.Curl = curl(r, body.at("example"))
	for _, answer := range operation.at("responses").pairs() {
		content := answer.value.at("content").pairs()
		a := docsAnswer{Status: answer.key, Description: answer.value.at("description").text()}
		if len(content) > 0 {
			schema := content[0].value.at("schema")
			if strings.HasPrefix(answer.key, "2") { // refusals all look the same
				a.Fields = fieldsOf(schema, 0)
			}
			a.Example = jsonOf(content[0].value.at("example"))
			if examples := content[0].value.at("examples").pairs(); len(examples) > 0 {
				a.Example = jsonOf(examples[0].value.at("value"))
			}
		}
		r.Answers = append(r.Answers, a)
	}
	return r
}

// curl is a command line for a route.
func curl(r docsRoute, example node) string {
	var b strings.Builder
	b.WriteString("curl ")
	switch r.Credential {
	case "namespace":
		b.WriteString("-u /demo:$PASSWORD ")
	case "admin":
		b.WriteString("-u admin:$PASSWORD ")
	}
	switch {
	case example.Node != nil:
		b.WriteString("-H 'Content-Type: application/json' -d '" + compact(example) + "' ")
	case r.Method != "GET":
		b.WriteString("-X " + r.Method + " ")
	}
	b.WriteString("$API" + strings.NewReplacer("{id}", "1", "{key}", "demo").Replace(r.Path))
	return b.String()
}

// fieldsOf are the fields of an object, nested ones behind theirs. What is an
// array shows the fields of its elements; of alternatives all are shown.
func fieldsOf(schema node, depth int) (fields []docsField) {
	if depth >= docsDepth {
		return nil
	}
	for _, variant := range schema.at("oneOf").items() {
		fields = append(fields, fieldsOf(variant, depth)...)
	}
	for _, variant := range schema.at("allOf").items() {
		fields = append(fields, fieldsOf(variant, depth)...)
	}
	if items := schema.at("items"); items.Node != nil {
		return append(fields, fieldsOf(items, depth)...)
	}
	required := map[string]bool{}
	for _, name := range schema.at("required").items() {
		required[name.text()] = true
	}
	for _, property := range schema.at("properties").pairs() {
		fields = append(fields, docsField{
			Name: property.key, Depth: depth, Type: typeOf(property.value), Required: required[property.key],
			Description: property.value.at("description").text(),
		})
		fields = append(fields, fieldsOf(property.value, depth+1)...)
	}
	return fields
}

// typeOf says in words what a value may be.
func typeOf(schema node) string {
	name := schema.at("type").text()
	switch {
	case name == "array":
		name = "array of " + typeOf(schema.at("items"))
	case name == "" && schema.at("oneOf").Node != nil:
		var all []string
		for _, variant := range schema.at("oneOf").items() {
			all = append(all, typeOf(variant))
		}
		name = strings.Join(all, " or ")
	case name == "":
		name = "any"
	}
	if values := schema.at("enum").items(); len(values) > 0 {
		var all []string
		for _, v := range values {
			all = append(all, compact(v))
		}
		name += ": " + strings.Join(all, ", ")
	}
	for _, limit := range []struct{ key, format string }{
		{"minimum", "from %s"}, {"maximum", "to %s"}, {"minLength", "at least %s characters"}, {"maxLength", "at most %s characters"},
		{"minItems", "at least %s elements"}, {"maxItems", "at most %s elements"}, {"pattern", "matches %s"}, {"default", "default %s"},
	} {
		if v := schema.at(limit.key); v.Node != nil {
			name += "; " + fmt.Sprintf(limit.format, v.text())
		}
	}
	if schema.at("nullable").text() == "true" {
		name += "; or null"
	}
	return name
}
