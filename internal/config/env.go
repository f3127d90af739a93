package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// applyEnv sets every key that a LIGHTPUSH_ variable of environ ("NAME=value", as os.Environ returns) names. The
// variables are taken in alphabetical order, so that errors are stable.
func (l *loader) applyEnv(environ []string) {
	vars := ourVariables(environ)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		src := Source{Kind: FromEnv, Name: name}
		if key, known := keyByEnv[name]; known {
			l.apply(key, looseInput(vars[name]), src)
			continue
		}
		base, isFile := strings.CutSuffix(name, fileSuffix)
		key, known := keyByEnv[base]
		switch {
		case !isFile || !known:
			l.reportUnknownVariable(src)
		case !key.IsSecret():
			l.report("", src, fmt.Sprintf("only secrets are read from files, set %s", base), nil)
		case hasKey(vars, base):
			l.report(key.Name, src, fmt.Sprintf("%s is set too; set one of them", base), nil)
		default:
			l.applySecretFile(key, vars[name], src)
		}
	}
}

func (l *loader) reportUnknownVariable(src Source) {
	text := "unknown variable"
	if near := nearest(strings.TrimPrefix(src.Name, envPrefix), keyByName); near != "" {
		text += ", did you mean " + keyByName[near].Env() + "?"
	}
	l.report("", src, text, nil)
}

// applySecretFile sets a secret from a file; one line break at its end does not belong to it.
func (l *loader) applySecretFile(key *Key, path string, src Source) {
	data, err := readLimited(path, maxSecretSize)
	if err != nil {
		l.report(key.Name, src, err.Error(), err)
		return
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	l.apply(key, looseInput(text), src)
}

// ourVariables returns the variables that begin with LIGHTPUSH_; of a repeated one the first counts, as in os.Getenv.
func ourVariables(environ []string) map[string]string {
	vars := make(map[string]string)
	for _, entry := range environ {
		name, text, ok := strings.Cut(entry, "=")
		if !ok || !strings.HasPrefix(name, envPrefix) || hasKey(vars, name) || isServiceLink(name, text) {
			continue
		}
		vars[name] = text
	}
	return vars
}

func hasKey(vars map[string]string, name string) bool {
	_, ok := vars[name]
	return ok
}

// Kubernetes gives every container variables for the services of its namespace, and Docker links do alike: a service
// called lightpush-logic yields LIGHTPUSH_LOGIC_PORT=tcp://10.0.0.1:80. Nobody meant those for us.
var (
	serviceLinkName = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	serviceLinkURL  = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

func isServiceLink(name, text string) bool {
	return serviceLinkName.MatchString("_"+strings.TrimPrefix(name, envPrefix)) ||
		strings.HasSuffix(name, "_PORT") && serviceLinkURL.MatchString(text)
}
