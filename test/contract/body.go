package contract

import (
	"fmt"
	"strings"
)

// spoilBody replaces the body, or one value in it.
func (g *Generator) spoilBody(c *Choices, r *Request) {
	if r.has("Transfer-Encoding") {
		return // cut into chunks already
	}
	schema := func(media string) any {
		content := r.Route.Operation.RequestBody.Value.Content.Get(media)
		if content == nil {
			content = r.Route.Operation.RequestBody.Value.Content.Get(typeJSON)
		}
		return g.value(c, r.Route, "", content.Schema, 0)
	}
	switch n := c.N(100); {
	case n < 45:
		value := hurt(c, schema(typeJSON), 0)
		g.setBody(r, typeJSON, value)
		r.odd("a field")
	case n < 60:
		g.setBody(r, typeForm, hurt(c, schema(typeForm), 0))
		if c.Percent(50) {
			name := "a"
			if o, ok := schema(typeForm).(object); ok && len(o) > 0 {
				name = pick(c, o).name
			}
			r.Body = append(r.Body, "&"+pick(c, []string{
				name + "[b]=1&" + name + "=2", name + "[]=1&" + name + "[9999999999]=1", name + strings.Repeat("[x]", 500) + "=1", "%zz", name + "=%ff%00", "[[[=1", name + "]=1", name + "[=1",
				name + "[__proto__][x]=1", strings.Repeat(name+"[]=1&", 3000), name + "[a]=1&" + name + "[0]=1", name + "=%0d%0a" + Injected + ":1",
			})...)
		}
		r.odd("a form")
	case n < 75:
		r.set("Content-Type", typeJSON)
		r.Body = []byte(pick(c, brokenJSON))
		r.odd("broken JSON")
	case n < 85:
		r.set("Content-Type", typeJSON)
		depth := pick(c, []int{10, 60, 1000, 10001, 100000})
		r.Body = []byte(pick(c, []string{deep("[", "", "]", depth), deep(`{"a":`, "1", "}", depth), deep("[", "", "", depth), `{"pushData":` + deep("[", "", "]", depth) + `,"room":"r1"}`,
			`{"room":"r1","pushData":` + deep(`{"a":`, "1", "}", depth) + "}"}))
		r.odd("%d deep", depth)
	case n < 90:
		r.set("Content-Type", typeJSON)
		var b strings.Builder
		b.WriteString(`{"room":"r1","pushData":{"a":1}`)
		for i := range 5000 {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		b.WriteString(`}`)
		r.Body = []byte(b.String())
		r.odd("5000 members")
	case n < 92:
		r.set("Content-Type", typeJSON)
		r.Body = []byte(`{"room":"` + strings.Repeat("x", 1<<20+10) + `"}`)
		r.odd("too large")
	case n < 94:
		r.set("Content-Type", pick(c, []string{typeForm, "text/plain"}))
		r.Body = []byte("room=" + strings.Repeat("x", 60<<10))
		r.odd("too large a form")
	case n < 97: // the right body under another name
		r.set("Content-Type", pick(c, []string{typeForm, typeJSON, "text/plain", "multipart/form-data", "application/xml", ""}))
		r.odd("content type")
	default:
		chunks := ""
		for _, b := range r.Body {
			chunks += fmt.Sprintf("1;x=y\r\n%c\r\n", b)
			if len(chunks) > 4000 {
				break
			}
		}
		if strings.ContainsRune(chunks, '\uFFFD') || len(r.Body) > 400 || !ascii(r.Body) {
			return
		}
		r.Header, r.Length = append(r.Header, "Transfer-Encoding: chunked"), "-"
		r.Body = []byte(chunks + "0\r\n\r\n")
		r.odd("in chunks of one byte")
	}
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// hurt replaces, removes, repeats or adds one value of a body.
func hurt(c *Choices, v any, depth int) any {
	switch v := v.(type) {
	case object:
		if len(v) == 0 {
			return object{{pick(c, hostileTexts), pick(c, hostileJSON)}}
		}
		o := append(object(nil), v...)
		at := c.N(len(o))
		if o[at].name == "auth_passwd" && !c.Percent(20) {
			return o // another password makes the next requests pointless
		}
		switch n := c.N(10); {
		case n < 4:
			o[at].value = odd(c)
		case n < 6 && depth < 4:
			o[at].value = hurt(c, o[at].value, depth+1)
		case n < 7:
			o = append(o[:at], o[at+1:]...)
		case n < 8:
			o = append(o, member{o[at].name, odd(c)})
		case n < 9:
			o = append(object{{o[at].name, odd(c)}}, o...)
		default:
			o = append(o, member{pick(c, hostileTexts), odd(c)})
		}
		return o
	case []any:
		if len(v) == 0 || c.Percent(30) {
			list := []any{}
			for range pick(c, []int{0, 1, 101, 1001}) {
				list = append(list, odd(c))
			}
			return list
		}
		list := append([]any(nil), v...)
		at := c.N(len(list))
		list[at] = hurt(c, list[at], depth+1)
		return list
	}
	return odd(c)
}

func odd(c *Choices) any {
	if c.Percent(50) {
		return pick(c, hostileJSON)
	}
	return pick(c, hostileTexts)
}
