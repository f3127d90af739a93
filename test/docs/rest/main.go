// Command rest writes the pages about the REST API from its description: go run ./test/docs/rest writes doc/rest.md and
// doc/zh/rest.md from doc/openapi.yaml.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// language is one of the two pages.
type language struct {
	file      string
	head      string
	labels    map[string]string
	summaries map[string]string // by operation; without one the description's own is used
	prose     bool              // with the descriptions of openapi.yaml
}

func main() {
	for _, l := range languages {
		text, err := Render("doc/openapi.yaml", l)
		if err == nil {
			err = os.WriteFile(l.file, []byte(text), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// operation is one method of one path.
type operation struct {
	method, path string
	*openapi3.Operation
}

// Render writes one page.
func Render(file string, l language) (string, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		return "", err
	}
	byTag := map[string][]operation{}
	for _, path := range doc.Paths.InMatchingOrder() {
		for method, op := range doc.Paths.Value(path).Operations() {
			tag := "other"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			byTag[tag] = append(byTag[tag], operation{method, path, op})
		}
	}
	p := &page{l: l}
	p.WriteString(l.head)
	for _, tag := range doc.Tags {
		ops := byTag[tag.Name]
		slices.SortFunc(ops, func(a, b operation) int {
			return strings.Compare(a.path+a.method, b.path+b.method)
		})
		p.section(tag.Name, ops)
	}
	return p.String(), nil
}

type page struct {
	strings.Builder
	l language
}

func (p *page) label(name string) string {
	if text, ok := p.l.labels[name]; ok {
		return text
	}
	return name
}

func (p *page) summary(op operation) string {
	if text, ok := p.l.summaries[op.OperationID]; ok {
		return text
	}
	return op.Summary
}

func (p *page) section(tag string, ops []operation) {
	if len(ops) == 0 {
		return
	}
	fmt.Fprintf(p, "\n## %s\n\n| %s | %s | %s |\n|---|---|---|\n", p.label(tag), p.label("Request"), p.label("Purpose"), p.label("Credential"))
	for _, op := range ops {
		fmt.Fprintf(p, "| `%s %s` | %s | %s |\n", op.method, op.path, cell(p.summary(op)), p.credential(op))
	}
	for _, op := range ops {
		p.operation(op)
	}
}

// credential names what an operation asks for, one of several.
func (p *page) credential(op operation) string {
	var names []string
	if op.Security != nil {
		for _, requirement := range *op.Security {
			for name := range requirement {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return p.label("none")
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for i, name := range names {
		names[i] = p.label(name)
	}
	return strings.Join(names, p.label(", "))
}

func (p *page) operation(op operation) {
	body, answer := example(requestContent(op)), example(answerContent(op))
	described := p.l.prose && (op.Description != "" || len(op.Parameters) > 0 || requestContent(op) != nil)
	if !described && body == "" && answer == "" {
		return
	}
	fmt.Fprintf(p, "\n### %s %s\n\n%s%s\n", op.method, op.path, strings.TrimSuffix(p.summary(op), "."), p.label("."))
	if p.l.prose && op.Description != "" {
		fmt.Fprintf(p, "\n%s\n", wrap(op.Description))
	}
	if p.l.prose {
		p.parameters(op)
	}
	if body != "" {
		fmt.Fprintf(p, "\n%s\n\n```json\n%s\n```\n", p.label("Body:"), body)
	}
	if answer != "" {
		fmt.Fprintf(p, "\n%s\n\n```json\n%s\n```\n", p.label("Answer:"), answer)
	}
}

func (p *page) parameters(op operation) {
	var rows []string
	for _, ref := range op.Parameters {
		if v := ref.Value; v != nil {
			rows = append(rows, row(v.Name, v.In, v.Required, v.Schema, v.Description))
		}
	}
	if content := requestContent(op); content != nil && content.Schema != nil && content.Schema.Value != nil {
		s := content.Schema.Value
		for _, name := range sortedKeys(s.Properties) {
			rows = append(rows, row(name, "body", slices.Contains(s.Required, name), s.Properties[name], ""))
		}
	}
	if len(rows) > 0 {
		fmt.Fprintf(p, "\n| Field | In | Value | Meaning |\n|---|---|---|---|\n%s", strings.Join(rows, ""))
	}
}

func row(name, in string, required bool, schema *openapi3.SchemaRef, description string) string {
	if required {
		in += ", required"
	}
	value := ""
	if schema != nil && schema.Value != nil {
		value = kind(schema.Value)
		if description == "" {
			description = schema.Value.Description
		}
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, in, cell(value), cell(description))
}

// kind says in a few words what a value looks like.
func kind(s *openapi3.Schema) string {
	var parts []string
	if s.Type != nil {
		parts = append(parts, strings.Join(s.Type.Slice(), " or "))
	}
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			if v == "" {
				continue // a form that left the field empty
			}
			values = append(values, fmt.Sprintf("`%v`", v))
		}
		parts = append(parts, strings.Join(values, ", "))
	}
	if s.Min != nil {
		parts = append(parts, fmt.Sprintf("from %v", *s.Min))
	}
	if s.Max != nil {
		parts = append(parts, fmt.Sprintf("to %v", *s.Max))
	}
	if s.MaxLength != nil {
		parts = append(parts, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if s.MaxItems != nil {
		parts = append(parts, fmt.Sprintf("at most %d entries", *s.MaxItems))
	}
	if s.Default != nil {
		parts = append(parts, fmt.Sprintf("default `%v`", s.Default))
	}
	return strings.Join(parts, ", ")
}

func requestContent(op operation) *openapi3.MediaType {
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return nil
	}
	return op.RequestBody.Value.Content.Get("application/json")
}

func answerContent(op operation) *openapi3.MediaType {
	if op.Responses == nil {
		return nil
	}
	if r := op.Responses.Value("200"); r != nil && r.Value != nil {
		return r.Value.Content.Get("application/json")
	}
	return nil
}

func example(content *openapi3.MediaType) string {
	if content == nil {
		return ""
	}
	value := content.Example
	if value == nil {
		for _, name := range sortedKeys(content.Examples) {
			if e := content.Examples[name]; e.Value != nil {
				value = e.Value.Value
				break
			}
		}
	}
	if value == nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil || string(text) == "{}" {
		return ""
	}
	if len(text) > 110 {
		text, err = json.MarshalIndent(value, "", "  ")
		if err != nil {
			return ""
		}
	}
	return string(text)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// wrap breaks prose at 120 columns and leaves lists as they are.
func wrap(text string) string {
	var out strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		if column > 0 && column+1+len(word) > 120 {
			out.WriteByte('\n')
			column = 0
		} else if column > 0 {
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}
