//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// image is what the Dockerfile says about the last stage, and how its first stage builds the program.
type image struct {
	build  []string // of RUN … go build
	cgo    string   // CGO_ENABLED of it
	copies []imageCopy
	env    []string
	uid    int
	health []string
	entry  []string
}

type imageCopy struct{ from, to, owner string }

var (
	instruction = regexp.MustCompile(`^([A-Z]+)\s+(.*)$`)
	quotedWord  = regexp.MustCompile(`"([^"]*)"`)
)

func readDockerfile(t *testing.T) (im image) {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var base string
	for _, line := range strings.Split(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
		m := instruction.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		rest := m[2]
		switch m[1] {
		case "FROM":
			base, _, _ = strings.Cut(rest, " ")
			if base != "scratch" && strings.Count(base[strings.IndexByte(base, ':')+1:], ".") != 2 {
				t.Errorf("%s names no exact version", base)
			}
			im.env = nil
		case "RUN":
			if strings.Contains(rest, "go build") {
				before, after, _ := strings.Cut(rest, "go build")
				im.cgo = strings.TrimSpace(before)
				im.build = strings.Fields(strings.ReplaceAll(after, `-ldflags="-s -w"`, "-ldflags=-s\x00-w"))
			}
		case "COPY":
			if base != "scratch" {
				continue
			}
			var c imageCopy
			fields := strings.Fields(rest)
			for _, f := range fields {
				if owner, ok := strings.CutPrefix(f, "--chown="); ok {
					c.owner = owner
				}
			}
			c.from, c.to = fields[len(fields)-2], fields[len(fields)-1]
			im.copies = append(im.copies, c)
		case "ENV":
			im.env = append(im.env, strings.Fields(rest)...)
		case "USER":
			user, _, _ := strings.Cut(rest, ":")
			if im.uid, err = strconv.Atoi(user); err != nil || im.uid == 0 {
				t.Fatalf("USER %s is root or no number", rest)
			}
		case "HEALTHCHECK":
			_, rest, _ = strings.Cut(rest, "CMD")
			fallthrough
		case "ENTRYPOINT":
			var words []string
			for _, w := range quotedWord.FindAllStringSubmatch(rest, -1) {
				words = append(words, w[1])
			}
			if m[1] == "ENTRYPOINT" {
				im.entry = words
			} else {
				im.health = words
			}
		}
	}
	if base != "scratch" || len(im.build) == 0 || len(im.copies) == 0 || len(im.health) == 0 || len(im.entry) == 0 || im.uid == 0 {
		t.Fatalf("the Dockerfile is not understood: %+v", im)
	}
	return im
}

// TestImage builds and lays out what the Dockerfile says, without an engine, and runs it as the image would be run: in
// its own root, as its user, with a configuration mounted.
func TestImage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may change the root directory")
	}
	im := readDockerfile(t)
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, c := range im.copies {
		to := filepath.Join(root, c.to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		want = append(want, c.to)
		switch out := im.output(); {
		case c.from == out:
			im.compile(t, to)
		case strings.HasPrefix(c.from, filepath.Dir(out)): // made by mkdir
			if err := os.Mkdir(to, 0o755); err != nil {
				t.Fatal(err)
			}
		default: // of the base image; any Debian has the same
			text, err := os.ReadFile(c.from)
			if err != nil {
				t.Fatalf("%s: install ca-certificates", err)
			}
			if err := os.WriteFile(to, text, 0o644); err != nil {
				t.Fatal(err)
			}
			if pool := x509.NewCertPool(); strings.HasSuffix(c.from, ".crt") && !pool.AppendCertsFromPEM(text) {
				t.Errorf("%s has no certificates", c.from)
			}
		}
		if c.owner != "" {
			if err := os.Chown(to, im.uid, im.uid); err != nil {
				t.Fatal(err)
			}
		}
	}
	im.wantTree(t, root, want)
	im.wantStatic(t, filepath.Join(root, im.entry[0]))

	// A volume with a configuration.
	if err := os.MkdirAll(filepath.Join(root, "config"), 0o755); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	if err := os.WriteFile(filepath.Join(root, "config/lightpush.yaml"), []byte("listen: "+address+"\npush_message_expire: 3\n"), 0o644); err != nil { //nolint:gosec // the user of the image reads it
		t.Fatal(err)
	}
	out, err := im.command(context.Background(), root, im.entry[0], "config", "check", "/config/lightpush.yaml").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("push_message_expire")) {
		t.Fatalf("config check: %v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var log bytes.Buffer
	server := im.command(ctx, root, append(slices.Clone(im.entry), "--config", "/config/lightpush.yaml")...)
	server.Stderr = &log
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = 20 * time.Second
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	health := append(slices.Clone(im.health), "--config", "/config/lightpush.yaml")
	deadline := time.Now().Add(30 * time.Second)
	for {
		out, err := im.command(ctx, root, health...).CombinedOutput()
		if err == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("ended: %v\n%s", err, log.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not healthy: %v\n%s", err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(server.Process.Pid) + "/status")
	if err != nil || !regexp.MustCompile(`(?m)^Uid:\s+`+strconv.Itoa(im.uid)+`\s`).Match(status) {
		t.Errorf("not run as %d: %v", im.uid, err)
	}
	if _, err := os.Stat(filepath.Join(root, "data/secret.key")); err != nil {
		t.Errorf("the data is not where the image says: %v", err)
	}
	cancel()
	<-ended
	if out, err := im.command(context.Background(), root, health...).CombinedOutput(); err == nil {
		t.Errorf("healthy without a server: %s", out)
	}
}

// output is where the build stage leaves the program.
func (im image) output() string {
	at := slices.Index(im.build, "-o")
	return im.build[at+1]
}

func (im image) compile(t *testing.T, to string) {
	t.Helper()
	args := []string{"build"}
	for _, arg := range im.build {
		args = append(args, strings.ReplaceAll(arg, "\x00", " "))
	}
	args[slices.Index(args, "-o")+1] = to
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), im.cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %q: %v\n%s", args, err, out)
	}
}

// command runs a program of the image.
func (im image) command(ctx context.Context, root string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Path, cmd.Err = args[0], nil // it need not exist outside
	cmd.Dir, cmd.Env = "/", im.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(im.uid), Gid: uint32(im.uid)}} //nolint:gosec // a small number
	return cmd
}

// wantTree: nothing is in the image but what was copied: no shell, no tools, nothing with the rights of another user.
func (im image) wantTree(t *testing.T, root string, want []string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if slices.Contains(want, name) {
			got = append(got, name)
		} else if !entry.IsDir() {
			t.Errorf("%s is in the image", name)
		}
		info, err := entry.Info()
		if err == nil && info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			t.Errorf("%s runs as its owner", name)
		}
		return err
	})
	slices.Sort(want)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) || len(want) > 3 {
		t.Errorf("the image has %q, want %q: %v", got, want, err)
	}
}

// wantStatic: the program needs no loader and no library.
func (im image) wantStatic(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("/lib64/ld-linux")) || bytes.Contains(text, []byte("libc.so")) {
		t.Error("the program is linked dynamically")
	}
}
