package client

import "strings"

// PlatformIn reads the platform out of a client id. Only ids whose parts hold a
// '#' of their own can mislead it, so it is for figures and for showing; it
// always says the same of one id.
func PlatformIn(clientID string) string {
	found, at := Web, -1
	for _, p := range Platforms {
		if i := strings.LastIndex(clientID, "#"+p+"-"); i > at {
			found, at = p, i
		}
	}
	return found
}
