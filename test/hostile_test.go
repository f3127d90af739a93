package test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// hostile is bad input from outside, and what proves that each kind is refused, bounded and told. A proof is
// "package Test" or "package Test: text", where text stands in the file of the test: the name of a case, mostly.
// connector/engineio/hostile_test.go has the same list for the wire below.
var hostile = []struct {
	kind   string
	proofs []string
}{
	{"REST bodies, forms, paths, queries and headers of every kind", []string{
		"cmd/lightpush TestContract", "cmd/lightpush FuzzContract", "internal/input FuzzFromJSON", "internal/input FuzzFromForm",
	}},
	{"gzip bombs in bodies: nothing is unpacked", []string{"cmd/lightpush TestContract"}},
	{"bodies that are too large, trickle in or are cut off", []string{"logic/api TestSlowBody", "cmd/lightpush TestContract"}},
	{"expired tokens", []string{"internal/auth TestToken: {\"expired\"", "internal/auth TestToken: {\"just expired\"", "connector/session TestTokenExpires"}},
	{"forged tokens", []string{"internal/auth TestToken: {\"another secret\"", "internal/auth TestToken: {\"zero signature\"", "internal/auth TestToken: {\"signature cut off\"", "internal/auth FuzzToken"}},
	{"alg: none", []string{"internal/auth TestToken: {\"alg none\"", "internal/auth TestToken: {\"alg None\""}},
	{"key confusion", []string{"internal/auth TestToken: {\"public key as secret\"", "internal/auth TestToken: {\"public key as secret, EC\"", "internal/auth TestToken: {\"key in the header\"", "internal/auth TestToken: {\"RSA token for an EC key\""}},
	{"key sets that are garbage, weak or symmetric", []string{"internal/auth TestParseSet", "internal/auth FuzzParseSet"}},
	{"replayed HMAC", []string{
		"internal/auth TestSignature: {\"replayed\"", "internal/auth TestSignature: {\"replayed with a new time\"", "internal/auth TestSignature: {\"replayed as another user\"",
		"connector/session TestWhoMayConnect: {\"replayed by another device\"", "internal/store TestClaimSignature",
	}},
	{"forged, wrong and malformed credentials of REST", []string{"logic/api TestCredentials", "logic/api FuzzParseCredential", "logic/api TestFailedLoginsAreLimited", "cmd/lightpush TestContract"}},
	{"forged API keys", []string{"cmd/lightpush TestContract", "logic/api TestAPIKeys"}},
	{"cookies from another host, without or with a forged token", []string{
		"logic/api TestCSRF: \"another site\"", "logic/api TestCSRF: \"a sibling host\"", "logic/api TestCSRF: \"of another session\"", "cmd/lightpush TestContract",
	}},
	{"CRLF in values", []string{"cmd/lightpush TestContract", "logic/api TestSaveRefusals: callback_auth must not contain line breaks", "internal/auth TestToken: {\"line breaks\"", "internal/auth TestSignature: {\"line break\""}},
	{"zip bombs in compressed frames", []string{"connector/wsframe TestDecoderDeflate: {\"bomb\"", "connector/wsframe TestDecoderDeflate: {\"bomb in fragments\"", "connector/wsframe FuzzInflate", "connector/wsframe TestDecoderMemory"}},
	{"frames, packets and payloads that are none", []string{"connector/engineio TestFrameViolations", "connector/engineio TestViolationDuringUpgrade"}},
	{"20,000 connections that never speak (1,000 unless E2E_SILENT says more: the machine that builds has 20,000 files)", []string{"test/e2e TestSilentConnections", "cmd/lightpush TestTrickledHandshake"}},
	{"Redis answering garbage", []string{"cmd/lightpush TestRedisAnswersGarbage", "internal/store TestGarbage", "internal/store TestReplies", "internal/store FuzzReplies"}},
	{"callbacks to addresses of the inside", []string{"internal/callback TestAllowed", "internal/callback TestDialer"}},
	{"callbacks that answer garbage", []string{"internal/callback TestErrorsTellNoSecrets"}},
	{"each limit, from outside", []string{"test/e2e TestLimitsFromOutside", "test/e2e TestEveryLimitIsHit"}},
	{"secrets looked for in logs, answers, Redis, files and dumps", []string{"test/e2e TestSecretsStaySecret", "logic/api TestLogHasNoSecrets", "cmd/lightpush TestContract"}},
	{"ports that are open by default", []string{"test/e2e TestDefaultStartIsLoopbackOnly"}},
}

// TestHostile: every proof of the list exists.
func TestHostile(t *testing.T) {
	files := map[string]map[string]string{} // by package, by test
	for _, line := range hostile {
		if len(line.proofs) == 0 {
			t.Errorf("%s: nothing proves it", line.kind)
		}
		for _, proof := range line.proofs {
			pkg, name, _ := strings.Cut(proof, " ")
			name, text, _ := strings.Cut(name, ": ")
			if files[pkg] == nil {
				found, err := testsOf(pkg)
				if err != nil {
					t.Fatal(err)
				}
				files[pkg] = found
			}
			source, ok := files[pkg][name]
			if !ok {
				t.Errorf("%s: there is no %s in %s", line.kind, name, pkg)
				continue
			}
			if text != "" && !strings.Contains(source, text) {
				t.Errorf("%s: the file of %s in %s lacks %q", line.kind, name, pkg, text)
			}
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// testsOf maps the tests of a package to the text of their files.
func testsOf(pkg string) (map[string]string, error) {
	tree := os.DirFS("..")
	names, err := fs.Glob(tree, pkg+"/*_test.go")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no tests in %s: %w", pkg, err)
	}
	tests := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		for _, match := range testFunc.FindAllSubmatch(text, -1) {
			tests[string(match[1])] = string(text)
		}
	}
	return tests, nil
}
