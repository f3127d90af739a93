package config

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const exampleFile = "../../config.yaml"

// TestExampleFile holds config.yaml, the table and the defaults together. UPDATE=1 go test ./internal/config rewrites
// the file.
func TestExampleFile(t *testing.T) {
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(exampleFile, Example(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, Example()) {
		t.Error("config.yaml is not what Example writes; run UPDATE=1 go test ./internal/config and look at the difference")
	}

	cfg, sources, err := Load(LoadOptions{File: exampleFile})
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(cfg, want) {
		t.Errorf("config.yaml yields\n%+v\nnot the default\n%+v", cfg, want)
	}

	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var inFile, inTable []string
	for i := 0; i < len(doc.Content[0].Content); i += 2 {
		inFile = append(inFile, doc.Content[0].Content[i].Value)
	}
	for _, k := range Keys() {
		inTable = append(inTable, k.Name)
		if src := sources[k.Name]; src.Kind != FromFile || src.Line == 0 {
			t.Errorf("%s comes from %s, not from a line of the file", k.Name, src)
		}
	}
	if !reflect.DeepEqual(inFile, inTable) {
		t.Errorf("config.yaml has the keys\n%v\nthe table\n%v", inFile, inTable)
	}
}

func TestExampleHasNoLongLines(t *testing.T) {
	for i, line := range strings.Split(string(Example()), "\n") {
		if len(line) > exampleWidth+10 {
			t.Errorf("line %d has %d bytes", i+1, len(line))
		}
	}
}

// TestTableMatchesStruct: every field has exactly one key, and their names are the same but for case and underscores.
func TestTableMatchesStruct(t *testing.T) {
	var c Config
	fieldAt := map[uintptr]string{}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		fieldAt[v.Field(i).Addr().Pointer()] = v.Type().Field(i).Name
	}
	taken := map[string]string{}
	for _, k := range Keys() {
		name, ok := fieldAt[reflect.ValueOf(k.value.fieldOf(&c)).Pointer()]
		if !ok {
			t.Errorf("%s is bound to no field", k.Name)
			continue
		}
		if fold(k.Name) != strings.ToLower(name) {
			t.Errorf("%s is bound to the field %s", k.Name, name)
		}
		if other, twice := taken[name]; twice {
			t.Errorf("%s and %s are bound to the field %s", other, k.Name, name)
		}
		taken[name] = k.Name
		if k.Doc == "" || k.Topic == "" || k.Allowed() == "" {
			t.Errorf("%s is not documented", k.Name)
		}
		if isServiceLink(k.Env(), "1") {
			t.Errorf("%s cannot be set by the environment", k.Name)
		}
	}
	if len(taken) != v.NumField() {
		t.Errorf("%d of %d fields have a key", len(taken), v.NumField())
	}
	if len(keyByName) != len(keys) || len(keyByEnv) != len(keys) {
		t.Error("two keys share a name or a variable")
	}
}
