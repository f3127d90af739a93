package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

const openapiFile = "../../doc/openapi.yaml"

// document is the API description that every answer of the tests must match.
var document = mustLoadDocument()

func mustLoadDocument() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromFile(openapiFile)
	if err != nil {
		panic(err)
	}
	return doc
}

// checkDocumented holds an answer of the API against the document. Answers
// without a route in it must be one of the failures every path may answer.
func checkDocumented(t *testing.T, req *http.Request, res *http.Response, body []byte) {
	t.Helper()
	path, params, item := documented(req.URL.Path)
	operation := operationOf(item, req.Method)
	if req.Method == http.MethodOptions {
		return // CORS, not part of the document
	}
	if operation == nil {
		// Wrong method or unknown path: hold it against a route that knows
		// all failures.
		path, item = "/api/auth/push", document.Paths.Value("/api/auth/push")
		operation = item.Post
		if res.StatusCode < 400 {
			t.Errorf("%s %s answers %d but is not documented", req.Method, req.URL.Path, res.StatusCode)
		}
	}
	if err := validate(req, res, body, path, params, item, operation); err != nil {
		t.Errorf("%s %s: answer %d %s does not match %s: %v", req.Method, req.URL, res.StatusCode, clip(string(body)), openapiFile, err)
	}
}

func validate(req *http.Request, res *http.Response, body []byte, path string, params map[string]string, item *openapi3.PathItem, operation *openapi3.Operation) error {
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: req, PathParams: params,
			Route: &routers.Route{Spec: document, Path: path, PathItem: item, Method: req.Method, Operation: operation},
		},
		Status:  res.StatusCode,
		Header:  res.Header,
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: req.Method == http.MethodHead},
	})
}

// The check above must be able to fail.
func TestDocumentRefusesOtherAnswers(t *testing.T) {
	good := http.Header{
		"Content-Type": {typeJSON}, "X-Request-Id": {strings.Repeat("0", 24)}, "X-Response-Time": {"1ms"}, "From": {"light-push"},
		"Access-Control-Allow-Origin": {""}, "Access-Control-Allow-Credentials": {"true"},
	}
	req, err := http.NewRequest(http.MethodPost, "http://host/api/auth/push", nil)
	if err != nil {
		t.Fatal(err)
	}
	path, params, item := documented(req.URL.Path)
	for _, tc := range []struct {
		status int
		body   string
		drop   string
		ok     bool
	}{
		{200, `{"id":1}`, "", true},
		{200, `{"id":"1"}`, "", false},
		{200, `{"id":1,"more":1}`, "", false},
		{200, `{}`, "", false},
		{200, `{"id":1}`, "X-Request-Id", false},
		{200, `{"id":1}`, "Access-Control-Allow-Credentials", false},
		{204, ``, "", false},
		{400, `{"code":9999,"msg":"x"}`, "", true},
		{400, `{"code":9998,"msg":"x"}`, "", false},
		{400, `room invalid`, "", false},
		{503, `{"code":1202,"msg":"x"}`, "", false}, // no Retry-After
	} {
		h := good.Clone()
		h.Del(tc.drop)
		res := &http.Response{StatusCode: tc.status, Header: h}
		if err := validate(req, res, []byte(tc.body), path, params, item, item.Post); (err == nil) != tc.ok {
			t.Errorf("%d %s without %q: %v", tc.status, tc.body, tc.drop, err)
		}
	}
}

func documented(path string) (string, map[string]string, *openapi3.PathItem) {
	path = strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(path), externalPrefix), "/")
	if item := document.Paths.Value(path); item != nil {
		return path, nil, item
	}
	const report = "/api/auth/report/push/"
	for _, of := range []string{"/receipts", "/states"} {
		if id, ok := strings.CutSuffix(strings.TrimPrefix(path, report), of); ok && strings.HasPrefix(path, report) {
			return report + "{id}" + of, map[string]string{"id": id}, document.Paths.Value(report + "{id}" + of)
		}
	}
	if id, ok := strings.CutPrefix(path, report); ok && id != "" && !strings.Contains(id, "/") {
		return report + "{id}", map[string]string{"id": id}, document.Paths.Value(report + "{id}")
	}
	for _, around := range [][2]string{{"/api/auth/message/", "/trace"}, {"/api/auth/user/", "/messages"}} {
		if id, ok := strings.CutPrefix(path, around[0]); ok {
			if id, ok = strings.CutSuffix(id, around[1]); ok && id != "" { // it may have slashes, encoded
				return around[0] + "{id}" + around[1], map[string]string{"id": id}, document.Paths.Value(around[0] + "{id}" + around[1])
			}
		}
	}
	for _, prefix := range []string{"/api/admin/namespace/clear/", "/api/admin/namespace/flush/"} {
		if key, ok := strings.CutPrefix(path+"/", prefix); ok {
			return prefix + "{key}", map[string]string{"key": key}, document.Paths.Value(prefix + "{key}")
		}
	}
	return "", nil, nil
}

func operationOf(item *openapi3.PathItem, method string) *openapi3.Operation {
	if item == nil {
		return nil
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return item.GetOperation(method)
}

func TestDocumentIsValid(t *testing.T) {
	if err := document.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
}

func TestDocumentHasExactlyTheRoutes(t *testing.T) {
	var want, got []string
	for _, r := range routes {
		want = append(want, r.method+" "+strings.NewReplacer(":id", "{id}", ":key", "{key}").Replace(r.path))
	}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			got = append(got, method+" "+path)
			wantSecurity := map[scope]string{tenant: "namespace session", admin: "admin session"}[scopeOf(path)]
			var security []string
			if operation.Security != nil {
				for _, requirement := range *operation.Security {
					for name := range requirement {
						security = append(security, name)
					}
				}
			}
			if strings.Join(security, " ") != wantSecurity {
				t.Errorf("%s %s: security %q, want %q", method, path, security, wantSecurity)
			}
		}
	}
	sort.Strings(want)
	sort.Strings(got)
	if !slices.Equal(got, want) {
		t.Errorf("documented routes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDocumentHasExactlyTheCodes(t *testing.T) {
	text, err := os.ReadFile(openapiFile)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[float64]bool{}
	for _, code := range document.Components.Schemas["Failure"].Value.Properties["code"].Value.Enum {
		codes[code.(float64)] = true
	}
	if len(codes) != len(Failures)+1 || !codes[CodeValidation] {
		t.Errorf("documented codes %v, want the %d of errors.go and %d", codes, len(Failures), CodeValidation)
	}
	seen := map[int]bool{}
	for _, f := range Failures {
		if !codes[float64(f.Code)] || seen[f.Code] {
			t.Errorf("code %d is not documented or not unique", f.Code)
		}
		seen[f.Code] = true
		row := "| " + strings.Join([]string{itoa(f.Code), itoa(f.Status), f.Msg}, " | ") + " |"
		if !strings.Contains(string(text), row) {
			t.Errorf("the document lacks the row %s", row)
		}
	}
}
