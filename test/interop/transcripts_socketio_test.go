//go:build interop

package interop

// in3 is the beginning of a transcript of protocol 3, in the main namespace by itself.
func in3(steps ...step) []step {
	return append([]step{{dial3(""), opened}}, steps...)
}

// in4 is the beginning of a transcript of protocol 4, in no namespace.
func in4(steps ...step) []step { return append([]step{{dial4(""), opened}}, steps...) }

// connecting sends a CONNECT of protocol 4 and wants this answer.
func connecting(connect, answer string) []step {
	return in4(step{send(connect), ""}, step{read(), answer})
}

// alive is an echo in the main namespace.
func alive() []step { return []step{{send(`429["echo"]`), ""}, {read(), "439[]"}} }

var connectTranscripts = []transcript{
	{name: "CONNECT /", steps: connecting("40/", `40{"sid":"SID"}`)},
	{name: "CONNECT / with a comma", steps: connecting("40/,", `40{"sid":"SID"}`)},
	{name: "CONNECT / with auth", steps: connecting("40/,{}", `40{"sid":"SID"}`)},
	{name: "CONNECT without a comma", steps: connecting("40/app", joined)},
	{name: "several namespaces", steps: session(step{send("40/app,"), ""}, step{read(), joined},
		step{send(`42/app,0["echo",1]`), ""}, step{read(), "43/app,0[1]"}, step{send(`420["echo",2]`), ""}, step{read(), "430[2]"})},
	{name: "auth reaches the application", steps: in4(
		step{send(`40/auth,{"a":"b c","z":"é"}`), ""}, step{read(), `40/auth,{"sid":"SID"}`}, step{read(), `42/auth,["auth","b c","é"]`})},
	{name: "query of a namespace, protocol 3", steps: in3(
		step{send("40/auth?a=b%20c&z=%C3%A9,"), ""}, step{read(), "40/auth,"}, step{read(), `42/auth,["auth","b c","é"]`})},
	{name: "query of a namespace, protocol 4", steps: connecting("40/app?a=b,", `44/app?a=b,{"message":"Invalid namespace"}`)},
	{name: "auth null", steps: in4(step{send("40null"), ""}, step{ended(), closed})},
	{name: "auth array", steps: in4(step{send("40[]"), ""}, step{ended(), closed})},
	{name: "auth string", steps: in4(step{send(`40"x"`), ""}, step{ended(), closed})},
	{name: "auth broken", steps: in4(step{send(`40{"x"`), ""}, step{ended(), closed})},
	{name: "unknown namespace, protocol 4", steps: with(connecting("40/nope,", `44/nope,{"message":"Invalid namespace"}`),
		step{send("40/app,"), ""}, step{read(), joined})},
	{name: "unknown namespace, protocol 3", steps: in3(step{send("40/nope,"), ""}, step{read(), `44/nope,"Invalid namespace"`})},
	{name: "connect_error, protocol 4", steps: connecting("40/refuse,", `44/refuse,{"message":"no way"}`)},
	{name: "connect_error with data, protocol 4", steps: connecting("40/refuse-data,", `44/refuse-data,{"data":{"k":1},"message":"no way"}`)},
	{name: "connect_error, protocol 3", steps: in3(step{send("40/refuse,"), ""}, step{read(), `44/refuse,"no way"`})},
	{name: "connect_error with data, protocol 3", steps: in3(step{send("40/refuse-data,"), ""}, step{read(), `44/refuse-data,{"k":1}`})},
	{name: "refused twice on one connection", steps: with(connecting("40/refuse,", `44/refuse,{"message":"no way"}`),
		step{send("40/refuse,"), ""}, step{read(), `44/refuse,{"message":"no way"}`})},
	{name: "duplicate CONNECT", steps: session(step{send("40"), ""}, step{ended(), closed})},
	{name: "duplicate CONNECT in one segment", steps: in4(step{burst("40", "40"), ""}, step{read(), `40{"sid":"SID"}`}, step{ended(), closed})},
	{name: "duplicate CONNECT, protocol 3", steps: in3(
		step{send("40/app,"), ""}, step{read(), "40/app,"}, step{send("40/app,"), ""}, step{read(), "40/app,"})},
	{name: "CONNECT / by the client, protocol 3", steps: in3(step{send("40/,"), ""}, step{send(`420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "event before CONNECT", steps: in4(step{send(`42["echo"]`), ""}, step{ended(), closed})},
	{name: "ack before CONNECT", steps: in4(step{send(`430[]`), ""}, step{ended(), closed})},
	{name: "DISCONNECT before CONNECT", steps: in4(step{send(`41`), ""}, step{ended(), closed})},
	{name: "event for a namespace not joined", steps: session(step{send(`42/app,["echo"]`), ""}, step{ended(), closed})},
	{name: "event for a namespace not joined, protocol 3", steps: in3(step{send(`42/app,["echo"]`), ""}, step{send(`420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "DISCONNECT, the others live", steps: session(step{send("40/app,"), ""}, step{read(), joined},
		step{send("41/app,"), ""}, step{quiet(), "nothing"}, step{send(`420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "DISCONNECT without a comma", steps: session(step{send("40/app,"), ""}, step{read(), joined},
		step{send("41/app"), ""}, step{quiet(), "nothing"}, step{send(`420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "leave and join again", steps: session(step{send("41"), ""}, step{quiet(), "nothing"}, step{send("40"), ""}, step{read(), `40{"sid":"SID"}`})},
	{name: "leave and join again in one segment", steps: session(step{burst("41", "40"), ""}, step{read(), `40{"sid":"SID"}`})},
	{name: "event for a namespace just left", steps: session(step{send("40/app,"), ""}, step{read(), joined},
		step{burst("41/app,", `42/app,["echo"]`, `420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "server ends a namespace", steps: session(step{send("40/app,"), ""}, step{read(), joined},
		step{send(`42/app,["leave"]`), ""}, step{read(), "41/app,"}, step{send(`420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "server ends all", steps: session(step{send(`42["leave all"]`), ""}, step{read(), "41"}, step{read(), "close frame"}, step{read(), "connection closed"})},
	{name: "server ends all, polling, no GET held", steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{post(`42["leave all"]`), ok}, {get(), "200 · 41"}, {get(), "200 · 6␞1"}, {get(), unknownSession},
	}},
	{name: "server ends all, polling, GET held", steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`}, {hold(), ""},
		{post(`42["leave all"]`), ok}, {released(), "200 · 41"}, {get(), "200 · 6␞1"}, {get(), unknownSession},
	}},
}

// goesOn sends what is odd and sees that the connection lives.
func goesOn(texts ...string) []step {
	steps := session()
	for _, text := range texts {
		steps = append(steps, step{send(text), ""})
	}
	return append(steps, alive()...)
}

// refused3 sends one frame of protocol 3 and sees the connection closed.
func refused3(text string) []step { return in3(step{send(text), ""}, step{ended(), closed}) }

var packetTranscripts = []transcript{
	{name: "event and answer", steps: session(step{send(`42["echo",1,"two",{"three":[]}]`), ""}, step{read(), `42["echo",1,"two",{"three":[]}]`})},
	{name: "ack of the server", steps: session(
		step{send(`420["echo",1]`), ""}, step{read(), "430[1]"},
		step{send(`4212["echo"]`), ""}, step{read(), "4312[]"},
		step{send(`42012["echo"]`), ""}, step{read(), "4312[]"},
		step{send(`422147483647["echo",null]`), ""}, step{read(), "432147483647[null]"},
	)},
	{name: "acks of the client", steps: session(
		step{send(`42["ask",1]`), ""}, step{read(), `42ID["question",1]`},
		step{reply(`43ID["yes",2]`), ""}, step{read(), `42["answered","yes",2]`},
		step{reply(`43ID["again"]`), ""}, // answered before: ignored
		step{send(`4399["nobody asked"]`), ""},
		step{send(`42["ask"]`), ""}, step{read(), `42ID["question"]`}, step{reply(`43ID[]`), ""}, step{read(), `42["answered"]`},
	)},
	{name: "acks of the client, protocol 3", steps: in3(
		step{send(`42["ask",1]`), ""}, step{read(), `42ID["question",1]`}, step{reply(`43ID["yes",2]`), ""}, step{read(), `42["answered","yes",2]`},
	)},
	{name: "binary ack of the client", steps: session(
		step{send(`42["ask",1]`), ""}, step{read(), `42ID["question",1]`},
		step{reply(`461-ID[{"_placeholder":true,"num":0}]`), ""}, step{sendBytes("0a"), ""},
		step{read(), `451-["answered",{"_placeholder":true,"num":0}]`}, step{read(), "<0a>"},
	)},
	{name: "binary event with two attachments", steps: session(
		step{send(`452-["echo",{"_placeholder":true,"num":1},"between",{"_placeholder":true,"num":0}]`), ""},
		step{sendBytes("aa"), ""}, step{sendBytes("bb"), ""},
		step{read(), `452-["echo",{"_placeholder":true,"num":0},"between",{"_placeholder":true,"num":1}]`},
		step{read(), "<bb>"}, step{read(), "<aa>"},
	)},
	{name: "binary event with an attachment used twice", steps: session(
		step{send(`451-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`), ""}, step{sendBytes("aa"), ""},
		step{read(), `452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`},
		step{read(), "<aa>"}, step{read(), "<aa>"},
	)},
	{name: "binary event with an empty attachment", steps: session(
		step{send(`451-["echo",{"_placeholder":true,"num":0}]`), ""}, step{sendBytes(""), ""},
		step{read(), `451-["echo",{"_placeholder":true,"num":0}]`}, step{read(), "<>"},
	)},
	{name: "placeholder in an ordinary event", steps: session(
		step{send(`42["echo",{"_placeholder":true,"num":0}]`), ""}, step{read(), `42["echo",{"_placeholder":true,"num":0}]`})},
	{name: "noop between header and attachment", steps: session(
		step{send(header0), ""}, step{send("6"), ""}, step{sendBytes("01"), ""}, step{read(), answer0}, step{read(), "<01>"})},
	{name: "text while an attachment is due", steps: session(step{send(header0), ""}, step{send(`42["echo"]`), ""}, step{ended(), closed})},
	{name: "binary nobody waits for", steps: session(step{sendBytes("01"), ""}, step{ended(), closed})},
	{name: "no number of attachments", steps: refused(`45-["echo",{"_placeholder":true,"num":0}]`)},
	{name: "no hyphen behind the number of attachments", steps: refused(`451["echo",{"_placeholder":true,"num":0}]`)},
	{name: "0 attachments", steps: refused(`450-["echo",1]`)},
	{name: "1.5 attachments", steps: refused(`451.5-["echo",{"_placeholder":true,"num":0}]`)},
	{name: "11 attachments", steps: refused(`4511-["echo"]`)},
	{name: "attachment that does not exist", steps: session(
		step{send(`451-["echo",{"_placeholder":true,"num":1}]`), ""}, step{sendBytes("01"), ""}, step{ended(), closed})},
	{name: "attachment with a negative number", steps: session(
		step{send(`451-["echo",{"_placeholder":true,"num":-1}]`), ""}, step{sendBytes("01"), ""}, step{ended(), closed})},

	{name: "unknown packet type", steps: refused("47")},
	{name: "letter as packet type", steps: refused("4x")},
	{name: "unknown packet type, protocol 3", steps: in3(step{send("47"), ""}, step{send(`420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "event without a name", steps: refused("42[]")},
	{name: "event as object", steps: refused("42{}")},
	{name: "event as string", steps: refused(`42"a"`)},
	{name: "event null", steps: refused("42null")},
	{name: "event named null", steps: refused("42[null]")},
	{name: "event with broken JSON", steps: refused(`42["echo"`)},
	{name: "text behind the JSON", steps: refused(`42["echo"]x`)},
	{name: "negative ack id", steps: refused(`42-1["echo"]`)},
	{name: "fractional ack id", steps: refused(`421.5["echo"]`)},
	{name: "ack as object", steps: refused(`431{}`)},
	{name: "connect_error from a client", steps: refused(`44{"message":"x"}`)},
	{name: "DISCONNECT with a payload", steps: refused(`41{}`)},
	{name: "reserved event name", steps: refused(`42["disconnect"]`)},
	{name: "reserved event name of emitters", steps: refused(`42["newListener"]`)},
	{name: "event without a name, protocol 3", steps: refused3("42[]")},
	{name: "event without JSON", steps: goesOn("42", "421")},
	{name: "ack without JSON", steps: goesOn("43", "431")},
	{name: "number as event name", steps: goesOn(`42[1,"x"]`)},
	{name: "event nobody hears", steps: goesOn(`42["unheard"]`, `427["unheard"]`)},
	{name: "text that survives", steps: session(
		step{send("420[\"echo\",\"\u2028é😀\",\"\",null,9007199254740991,-0.5]"), ""},
		step{read(), `430["<U+2028>é😀","",null,9007199254740991,-0.5]`},
	)},
	{name: "markup survives", steps: session(step{send(`420["echo","<a href='x'>&</a>"]`), ""}, step{read(), `430["<a href='x'>&</a>"]`})},
}
