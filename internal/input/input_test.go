package input

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// bodies are JSON bodies with what FromJSON says; they seed the fuzzer.
var bodies = []struct {
	body string
	err  error
}{
	{`{}`, nil},
	{" \n{\"a\" : 1 }\t", nil},
	{`{"a":1,"a":2}`, nil},
	{`{"":1}`, nil},
	{`{"a":{"b":[1,{"c":null}]}}`, nil},
	{`{"__proto__":{"x":1},"constructor":2}`, nil},
	{`{"a":"\ud800"}`, nil},
	{`{"a":"😀\u0000"}`, nil},
	{`{"a":1e999}`, nil},
	{`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, nil},
	{`{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, ErrSyntax},
	{`[]`, ErrNotObject},
	{`[{"a":1}]`, ErrNotObject},
	{`null`, ErrNotObject},
	{`5`, ErrNotObject},
	{`"x"`, ErrNotObject},
	{`true`, ErrNotObject},
	{``, ErrSyntax},
	{` `, ErrSyntax},
	{`{`, ErrSyntax},
	{`{}{}`, ErrSyntax},
	{`{"a":1,}`, ErrSyntax},
	{`{a:1}`, ErrSyntax},
	{`{'a':1}`, ErrSyntax},
	{`{"a":NaN}`, ErrSyntax},
	{`{"a":Infinity}`, ErrSyntax},
	{`{"a":01}`, ErrSyntax},
	{"{\"a\":\"\xff\"}", ErrSyntax},
	{"{\"a\":\"\n\"}", ErrSyntax},
	{"\ufeff{}", ErrSyntax},
}

func TestFromJSON(t *testing.T) {
	for _, tc := range bodies {
		f, err := FromJSON([]byte(tc.body))
		if !errors.Is(err, tc.err) || (err == nil) != (f != nil) {
			t.Errorf("%.60q: %v, %v, want %v", tc.body, f, err, tc.err)
		}
	}
	f, err := FromJSON([]byte(`{"a":1,"a":"two"}`))
	if text, _, _ := f.Text("a", 10); err != nil || text != "two" {
		t.Errorf("of a repeated member %q counts, want the last", text)
	}
}

// outcome is a value, whether it was given, and the error, as one text.
func outcome(value any, ok bool, err error) string {
	switch {
	case err != nil:
		var field *FieldError
		if !errors.As(err, &field) || field.Field != "f" {
			return "untyped error " + err.Error()
		}
		return "! " + field.Problem
	case !ok:
		return "-"
	}
	return fmt.Sprintf("%v", value)
}

func TestReaders(t *testing.T) {
	const limit = 8
	for _, tc := range []struct {
		raw                             string // "" for an absent field
		text, jsonText, boolean, number string
		list                            string
	}{
		{"", "-", "-", "-", "-", "-"},
		{`null`, "-", "-", "-", "-", "-"},
		{`""`, "", "", "-", "-", "! must be an array"},
		{`"a"`, "a", "a", "! must be true or false", "! must be a number", "! must be an array"},
		{`"12345678"`, "12345678", "12345678", "! must be true or false", "1.2345678e+07", "! must be an array"},
		{`"123456789"`, "! must be at most 8 bytes", "! must be at most 8 bytes", "! must be true or false", "1.23456789e+08", "! must be an array"},
		{`"ééééé"`, "! must be at most 8 bytes", "! must be at most 8 bytes", "! must be true or false", "! must be a number", "! must be an array"},
		{`"\u00e9"`, "é", "é", "! must be true or false", "! must be a number", "! must be an array"},
		{`"\ud800"`, "\ufffd", "\ufffd", "! must be true or false", "! must be a number", "! must be an array"},
		{`true`, "true", "true", "true", "! must be a number", "! must be an array"},
		{`"false"`, "false", "false", "false", "! must be a number", "! must be an array"},
		{`"ON"`, "ON", "ON", "true", "! must be a number", "! must be an array"},
		{`"No"`, "No", "No", "false", "! must be a number", "! must be an array"},
		{`1`, "1", "1", "true", "1", "! must be an array"},
		{`0`, "0", "0", "false", "0", "! must be an array"},
		{`"1"`, "1", "1", "true", "1", "! must be an array"},
		{`2`, "2", "2", "! must be true or false", "2", "! must be an array"},
		{`-1.5`, "-1.5", "-1.5", "! must be true or false", "-1.5", "! must be an array"},
		{`1e3`, "1e3", "1e3", "! must be true or false", "1000", "! must be an array"},
		{`1e999`, "1e999", "1e999", "! must be true or false", "! must be a number", "! must be an array"},
		{`" 5 "`, " 5 ", " 5 ", "! must be true or false", "5", "! must be an array"},
		{`" "`, " ", " ", "! must be true or false", "! must be a number", "! must be an array"},
		{`"NaN"`, "NaN", "NaN", "! must be true or false", "! must be a number", "! must be an array"},
		{`"-Inf"`, "-Inf", "-Inf", "! must be true or false", "! must be a number", "! must be an array"},
		{`{}`, "! must be a string", "{}", "! must be true or false", "! must be a number", "! must be an array"},
		{`{"a":"b"}`, "! must be a string", "! must be at most 8 bytes", "! must be true or false", "! must be a number", "! must be an array"},
		{`[]`, "! must be a string", "[]", "! must be true or false", "! must be a number", "[]"},
		{`["a",1]`, "! must be a string", `["a",1]`, "! must be true or false", "! must be a number", "[a 1]"},
		{`[1,2,3]`, "! must be a string", "[1,2,3]", "! must be true or false", "! must be a number", "! must have at most 2 elements"},
		{`[null]`, "! must be a string", "[null]", "! must be true or false", "! must be a number", "! must hold only strings"},
		{`[[]]`, "! must be a string", "[[]]", "! must be true or false", "! must be a number", "! must hold only strings"},
		{`["12345"]`, "! must be a string", "! must be at most 8 bytes", "! must be true or false", "! must be a number", "! must hold strings of at most 4 bytes"},
	} {
		body := `{}`
		if tc.raw != "" {
			body = `{"f": ` + tc.raw + ` }`
		}
		f, err := FromJSON([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		text, ok, err := f.Text("f", limit)
		if got := outcome(text, ok, err); got != tc.text {
			t.Errorf("%s: Text %q, want %q", tc.raw, got, tc.text)
		}
		text, ok, err = f.JSONText("f", limit)
		if got := outcome(text, ok, err); got != tc.jsonText {
			t.Errorf("%s: JSONText %q, want %q", tc.raw, got, tc.jsonText)
		}
		boolean, ok, err := f.Bool("f")
		if got := outcome(boolean, ok, err); got != tc.boolean {
			t.Errorf("%s: Bool %q, want %q", tc.raw, got, tc.boolean)
		}
		number, ok, err := f.Number("f")
		if got := outcome(number, ok, err); got != tc.number {
			t.Errorf("%s: Number %q, want %q", tc.raw, got, tc.number)
		}
		list, ok, err := f.Texts("f", 2, 4, false)
		if got := outcome(list, ok, err); got != tc.list {
			t.Errorf("%s: Texts %q, want %q", tc.raw, got, tc.list)
		}
	}
}

func TestTextsMayTakeASingleValue(t *testing.T) {
	for raw, want := range map[string]string{
		`"a"`: "[a]", `7`: "[7]", `["a","b"]`: "[a b]", `{}`: "! must be a string", `"12345"`: "! must be at most 4 bytes", `null`: "-",
	} {
		list, ok, err := Fields{"f": json.RawMessage(raw)}.Texts("f", 2, 4, true)
		if got := outcome(list, ok, err); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

func TestParseBool(t *testing.T) {
	for text, want := range map[string]string{
		"true": "true", "TRUE": "true", "1": "true", "on": "true", "yes": "true",
		"false": "false", "0": "false", "Off": "false", "no": "false", "": "-",
		"2": "! must be true or false", " true": "! must be true or false", "ja": "! must be true or false",
	} {
		value, ok, err := ParseBool("f", text)
		if got := outcome(value, ok, err); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// forms are form bodies with the object they mean or the error; they seed the
// fuzzer.
var forms = []struct{ form, want string }{
	{"", `{}`},
	{"a=1", `{"a":"1"}`},
	{"a=", `{"a":""}`},
	{"a", `{"a":""}`},
	{"a=1&b=2", `{"a":"1","b":"2"}`},
	{"a=1&a=2", `{"a":["1","2"]}`},
	{"a[]=1", `{"a":["1"]}`},
	{"a[]=1&a[]=2", `{"a":["1","2"]}`},
	{"a[b]=1&a[c]=2", `{"a":{"b":"1","c":"2"}}`},
	{"a[b]=1&a[b]=2", `{"a":{"b":["1","2"]}}`},
	{"a[b][]=1", `{"a":{"b":["1"]}}`},
	{"a[b][c][d]=1", `{"a":{"b":{"c":{"d":"1"}}}}`},
	{"a[0]=x&a[1]=y", `{"a":["x","y"]}`},
	{"a[1]=y&a[0]=x", `{"a":["x","y"]}`},
	{"a[1]=y", `{"a":{"1":"y"}}`},
	{"a[00]=y", `{"a":{"00":"y"}}`},
	{"a[0][name]=x&a[0][b]=y&a[1][name]=z", `{"a":[{"b":"y","name":"x"},{"name":"z"}]}`},
	{"a[][b]=1&a[][c]=2", `{"a":[{"b":"1","c":"2"}]}`},
	{"a[b]c=1", "a has unbalanced brackets"},
	{"a[=1", "a has unbalanced brackets"},
	{"a[b=1", "a has unbalanced brackets"},
	{"a[b][=1", "a has unbalanced brackets"},
	{"a]=1", `{"a]":"1"}`},
	{"[a]=1", `{"[a]":"1"}`},
	{"[]=1", `{"[]":"1"}`},
	{"=1", `{"":"1"}`},
	{"a=1&a[b]=2", "a is given twice in different forms"},
	{"a[]=1&a[b]=2", "a is given twice in different forms"},
	{"a=1&a[]=2", "a is given twice in different forms"},
	{"a[b]=1&a[b][c]=2", "a is given twice in different forms"},
	{"a[1][2][3][4][5][6][7]=x", `{"a":{"1":{"2":{"3":{"4":{"5":{"6":{"7":"x"}}}}}}}}`},
	{"a[1][2][3][4][5][6][7][8]=x", "a is nested too deep"},
	{"a" + strings.Repeat("[b]", 10_000) + "=x", "a is nested too deep"},
	{strings.Repeat("k", 5000) + "[=x", strings.Repeat("k", 64) + "… has unbalanced brackets"},
	{"a=%ff", `{"a":"�"}`},
	{"__proto__[x]=1&constructor=2", `{"__proto__":{"x":"1"},"constructor":"2"}`},
	{"a=%3Cb%3E%26", `{"a":"<b>&"}`},
}

func TestFromForm(t *testing.T) {
	for _, tc := range forms {
		values, err := url.ParseQuery(tc.form)
		if err != nil {
			t.Fatal(err)
		}
		f, err := FromForm(values)
		var field *FieldError
		switch {
		case errors.As(err, &field):
			if err.Error() != tc.want {
				t.Errorf("%.60s: %v, want %s", tc.form, err, tc.want)
			}
		case err != nil || !sameJSON(t, f, tc.want):
			got, _ := json.Marshal(f)
			t.Errorf("%.60s: %s, %v, want %s", tc.form, got, err, tc.want)
		}
	}
}

func sameJSON(t *testing.T, f Fields, want string) bool {
	t.Helper()
	got, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
		return false
	}
	return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
}

// readAll reads every field in every way: no reader may panic, and what it
// returns keeps its promises.
func readAll(t *testing.T, f Fields) {
	for field := range f {
		if text, _, err := f.Text(field, 16); err == nil && (len(text) > 16 || !utf8.ValidString(text)) {
			t.Errorf("Text(%q) = %q", field, text)
		}
		if text, _, err := f.JSONText(field, 16); err == nil && len(text) > 16 {
			t.Errorf("JSONText(%q) = %q", field, text)
		}
		if _, ok, err := f.Bool(field); ok && err != nil {
			t.Errorf("Bool(%q): given and refused", field)
		}
		if n, _, err := f.Number(field); err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
			t.Errorf("Number(%q) = %v", field, n)
		}
		list, _, err := f.Texts(field, 3, 16, true)
		if err != nil {
			continue
		}
		if len(list) > 3 {
			t.Errorf("Texts(%q) has %d elements", field, len(list))
		}
		for _, text := range list {
			if len(text) > 16 {
				t.Errorf("Texts(%q) = %q", field, list)
			}
		}
	}
}

func FuzzFromJSON(f *testing.F) {
	for _, tc := range bodies {
		if len(tc.body) < 4096 { // large ones only slow the fuzzer down
			f.Add([]byte(tc.body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, err := FromJSON(body)
		if err != nil {
			if !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrNotObject) {
				t.Errorf("unexpected error %v", err)
			}
			return
		}
		for field, raw := range fields {
			if !json.Valid(raw) {
				t.Errorf("field %q is no JSON: %q", field, raw)
			}
		}
		readAll(t, fields)
	})
}

func FuzzFromForm(f *testing.F) {
	for _, tc := range forms {
		if len(tc.form) < 4096 {
			f.Add(tc.form)
		}
	}
	f.Fuzz(func(t *testing.T, form string) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		fields, err := FromForm(values)
		if err != nil {
			var field *FieldError
			if !errors.As(err, &field) || len(err.Error()) > 200 {
				t.Errorf("unexpected error %v", err)
			}
			return
		}
		for field, raw := range fields {
			if !json.Valid(raw) {
				t.Errorf("field %q is no JSON: %q", field, raw)
			}
		}
		readAll(t, fields)
	})
}
