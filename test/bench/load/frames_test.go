package load

import "testing"

func TestFields(t *testing.T) {
	const data = `["push",{"id":12,"room":"r","pushData":{"n":3,"t":1234567890123456,"s":"x"},"big":1234567890123456789}]`
	for key, want := range map[string]int64{`"id":`: 12, `"n":`: 3, `"t":`: 1234567890123456} {
		if got, ok := integer([]byte(data), key); !ok || got != want {
			t.Errorf("%s %d, %v", key, got, ok)
		}
	}
	for _, key := range []string{`"s":`, `"none":`, `"big":`} {
		if got, ok := integer([]byte(data), key); ok {
			t.Errorf("%s %d", key, got)
		}
	}
	for key, want := range map[string]string{`"room":"`: "r", `"none":"`: "", `"s":"`: "x"} {
		if got := text([]byte(data), key); got != want {
			t.Errorf("%s %q", key, got)
		}
	}
	if got := text([]byte(`{"sid":"cut`), `"sid":"`); got != "" {
		t.Error(got)
	}
	for event, want := range map[string]string{
		data: "", `["push",{"id":1},"17-0"]`: "17-0", `["push"]`: "", `["push",{"s":"x"}]`: "", `"]`: "", "": "", `["push",1,""]`: "",
	} {
		if got := offset([]byte(event)); got != want {
			t.Errorf("%s: %q", event, got)
		}
	}
}
