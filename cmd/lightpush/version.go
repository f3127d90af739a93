package main

import (
	"runtime"
	"runtime/debug"
)

// release is the version of this source tree; see CHANGELOG.md.
const release = "0.1.0"

// version adds the commit a binary was built from, when Go knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return release + "+" + s.Value[:12]
		}
	}
	return release
}

func goVersion() string {
	return "(" + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}
