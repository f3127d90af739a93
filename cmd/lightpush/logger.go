package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/lightpush/lightpush/internal/config"
)

func init() {
	// Settings of whole packages, so they are made before anything logs.
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	redis.SetLogger(quiet{})
}

// newLogger returns the logger the configuration asks for and what closes
// its files. With log_path, everything goes to <prefix>_warn.log and errors
// also to <prefix>_error.log; without it, everything goes to stderr.
// The level is that of the whole process, so that it can be changed while it
// runs.
func newLogger(cfg config.Config, r role, address string, stderr io.Writer) (zerolog.Logger, func(), error) {
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil {
		return zerolog.Logger{}, nil, fmt.Errorf("log_level: %w", err)
	}
	zerolog.SetGlobalLevel(level)
	if cfg.LogPath == "" {
		out := stderr
		if cfg.LogFormat == "console" || (cfg.LogFormat == "auto" && isTerminal(stderr)) {
			out = zerolog.ConsoleWriter{Out: stderr, TimeFormat: "15:04:05.000"}
		}
		return zerolog.New(out).With().Timestamp().Logger(), func() {}, nil
	}
	prefix := strings.ReplaceAll(cfg.LogPrefix, "$ip_port$", string(r)+"_"+strings.ReplaceAll(address, "/", "_"))
	all := rotated(cfg.LogPath, prefix+"_warn.log")
	failures := rotated(cfg.LogPath, prefix+"_error.log")
	if _, err := all.Write(nil); err != nil { // creates the directory and the file
		return zerolog.Logger{}, nil, fmt.Errorf("log_path: %w", err)
	}
	out := zerolog.MultiLevelWriter(all, &zerolog.FilteredLevelWriter{
		Writer: zerolog.LevelWriterAdapter{Writer: failures}, Level: zerolog.ErrorLevel,
	})
	closeAll := func() { _ = all.Close(); _ = failures.Close() }
	return zerolog.New(out).With().Timestamp().Logger(), closeAll, nil
}

// rotated is a log file of at most 10 MiB with one backup.
func rotated(dir, file string) *lumberjack.Logger {
	return &lumberjack.Logger{Filename: filepath.Join(dir, file), MaxSize: 10, MaxBackups: 1}
}

// quiet drops what go-redis would print to stderr, refused dials and the like:
// the operations that failed report it themselves.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// isTerminal reports whether w is a character device.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
