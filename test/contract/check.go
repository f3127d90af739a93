package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// leaks are what a refusal must not tell about the insides: Go types and texts of its library, stacks, files, and
// texts of the store.
var leaks = regexp.MustCompile(`goroutine \d|\.go:\d|runtime error|panic|github\.com/|Go (value|struct)|\bjson: |strconv\.|interface \{\}|map\[string\]|` +
	`net/http|reflect\.|\*[a-z]+\.[A-Z]|0x[0-9a-f]{6}|/(root|home|usr|tmp|var|etc)/|WRONGTYPE|NOSCRIPT|\bERR\b|(?i:redis|miniredis|user_script|\.lua|bcrypt|unmarshal)`)

// transport are the answers of the HTTP library to what is no HTTP, or not its HTTP.
var transport = map[int]string{
	400: "400 Bad Request", 431: "431 Request Header Fields Too Large", 501: "Unsupported transfer encoding", 505: "505 HTTP Version Not Supported",
}

// Check returns what is wrong with an answer. Secrets are texts that must not occur in it.
func (d *Document) Check(r *Request, res *Response, secrets []string) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, secret := range secrets {
		if bytes.Contains(res.Body, []byte(secret)) || strings.Contains(fmt.Sprint(res.Header), secret) {
			wrong("a secret is in the answer")
		}
	}
	if res.Header.Get(Injected) != "" {
		wrong("a value has become a header")
	}
	if want, known := transport[res.Status]; r.Raw && known && strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") && res.Header.Get("From") == "" {
		if !strings.HasPrefix(string(res.Body), want) || len(res.Body) > 100 {
			wrong("the HTTP library says %q", res.Body)
		}
		return problems
	}
	if r.Forged && res.Status < 400 && r.Method != http.MethodOptions {
		wrong("served without the right to it")
	}
	if res.Status >= 400 {
		problems = append(problems, checkFailure(r, res)...)
	}
	if r.Method == http.MethodOptions {
		return problems // CORS, not part of the document
	}
	route := d.routeOf(r)
	if route == nil {
		if route = d.failures; res.Status < 400 {
			wrong("%d, but there is no such route", res.Status)
			return problems
		}
	}
	if err := d.validate(route, r.Method, res); err != nil {
		wrong("not as documented for %s: %v", route.Name(), clip(strings.Join(strings.Fields(err.Error()), " "), 600))
	}
	return problems
}

func checkFailure(r *Request, res *Response) (problems []string) {
	if res.Status >= 500 && res.Status != http.StatusServiceUnavailable {
		problems = append(problems, fmt.Sprintf("status %d", res.Status))
	}
	if r.Method == http.MethodHead {
		return problems
	}
	var failure map[string]any
	if err := json.Unmarshal(res.Body, &failure); err != nil {
		return append(problems, "the refusal is no JSON")
	}
	code, isNumber := failure["code"].(float64)
	msg, isText := failure["msg"].(string)
	if len(failure) != 2 || !isNumber || !isText || msg == "" || len(msg) > 300 {
		problems = append(problems, "the refusal is not {code, msg}")
	}
	if code == 1202 {
		problems = append(problems, "the server takes the fault for its own")
	}
	if leak := leaks.FindString(msg); leak != "" {
		problems = append(problems, fmt.Sprintf("the refusal tells %q", leak))
	}
	return problems
}

// routeOf finds the route a request has reached, by the rules for paths of the document.
func (d *Document) routeOf(r *Request) *Route {
	if r.Route != nil {
		return r.Route
	}
	path, _, _ := strings.Cut(r.Target, "?")
	if len(path) > len("/push-logic/") && strings.EqualFold(path[:len("/push-logic/")], "/push-logic/") {
		path = path[len("/push-logic"):]
	}
	given := strings.Split(strings.TrimSuffix(path, "/"), "/")
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var found *Route
	for _, route := range d.Routes {
		segments := strings.Split(route.Path, "/")
		if route.Method == method && len(segments) == len(given) && fits(segments, given) {
			if found == nil || strings.Contains(found.Path, "{") {
				found = route
			}
		}
	}
	return found
}

func fits(segments, given []string) bool {
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			if given[i] == "" {
				return false
			}
		} else if !strings.EqualFold(s, given[i]) {
			return false
		}
	}
	return true
}

func (d *Document) validate(route *Route, method string, res *Response) error {
	req, err := http.NewRequest(route.Method, "http://host/", nil)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: req,
			Route:   &routers.Route{Spec: d.T, Path: route.Path, PathItem: route.Item, Method: route.Method, Operation: route.Operation},
		},
		Status: res.Status, Header: res.Header, Body: io.NopCloser(bytes.NewReader(res.Body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: method == http.MethodHead},
	})
}
