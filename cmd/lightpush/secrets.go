package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/internal/secret"
)

// secretFile is where the key of an embedded store lies, in data_dir.
const secretFile = "secret.key"

// noSecretKey is why APNs credentials cannot be saved.
const noSecretKey = `can not be stored: this installation has no secret_key to encrypt it with; "lightpush secret-key" prints one, ` +
	`which all processes need as LIGHTPUSH_SECRET_KEY`

// secrets says how secrets get into the store.
type secrets struct {
	box     *secret.Box
	refuse  string // why APNs credentials cannot be saved, "" when they can
	warning string // for the log, "" for none
}

// openSecrets finds the key: configured, or in a file beside the embedded
// store, which is made at the first start. With Redis there is no place that
// all processes share and that is not the store itself, so without a
// configured key credentials are refused; that is secure, and the operator
// learns of it when it matters.
func openSecrets(cfg config.Config, embedded bool) (s secrets, err error) {
	var current *secret.Key
	var old []secret.Key
	switch text := cfg.SecretKey.Reveal(); {
	case text == config.NoSecretKey:
		s.warning = "secret_key is none: APNs credentials and callback_auth are stored as they are"
	case text != "":
		key, err := secret.ParseKey(text)
		if err != nil {
			return s, fmt.Errorf("secret_key %w", err)
		}
		current = &key
	case embedded:
		key, err := secret.LoadFile(filepath.Join(cfg.DataDir, secretFile))
		if err != nil {
			return s, err
		}
		current = &key
	default:
		s.refuse = noSecretKey
		s.warning = "secret_key is not set: APNs credentials are refused and callback_auth is stored as it is"
	}
	if text := cfg.SecretKeyOld.Reveal(); text != "" {
		key, err := secret.ParseKey(text)
		if err != nil {
			return s, fmt.Errorf("secret_key_old %w", err)
		}
		old = append(old, key)
	}
	s.box, err = secret.NewBox(current, old...)
	return s, err
}

func (c *command) secretKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "secret-key",
		Short: "Print a new key for secret_key",
		Long: `Prints a new random key for secret_key, which encrypts APNs credentials and
callback_auth in the store. Give the same key to all processes, for example as
LIGHTPUSH_SECRET_KEY or in a file named by LIGHTPUSH_SECRET_KEY_FILE, and keep
a copy: what it has encrypted cannot be read without it.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(c.stdout, secret.NewKey().Text())
			return err
		},
	}
}
