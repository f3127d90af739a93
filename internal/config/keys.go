package config

import (
	"slices"
	"strings"
)

// envPrefix begins the name of every environment variable that sets a key; fileSuffix ends the one that names a file
// holding a secret.
const (
	envPrefix  = "LIGHTPUSH_"
	fileSuffix = "_FILE"
)

// Key is one key of the configuration.
type Key struct {
	Name  string // as in the file and as the name of the flag
	Topic string // heading of its group in the example file
	Doc   string // what it means, in full sentences

	value value
}

// Env returns the name of the environment variable that sets the key.
func (k Key) Env() string { return envPrefix + strings.ToUpper(k.Name) }

// Allowed returns which values are possible, in words, with the unit.
func (k Key) Allowed() string { return k.value.allowed() }

// IsSecret reports whether the value must never be shown. Secrets are also taken from the file that Env()+"_FILE" names.
func (k Key) IsSecret() bool {
	_, secret := k.value.(secretValue)
	return secret
}

// Keys returns every key in the order of the example file.
func Keys() []Key { return slices.Clone(keys) }

// group is the keys of one topic.
func group(topic string, members ...Key) []Key {
	for i := range members {
		members[i].Topic = topic
	}
	return members
}

// The tables are fixed after initialisation.
var (
	keys = slices.Concat(
		listenKeys, connectionKeys, redisKeys, nodeKeys, clusterKeys, adminKeys, nameKeys, clientKeys, housekeepingKeys, pushKeys, offlineKeys, apnsKeys, secretKeys,
		reportKeys, callbackKeys, limitKeys, tlsKeys, logKeys,
	)
	keyByName = indexKeys(func(k *Key) string { return k.Name })
	keyByEnv  = indexKeys(func(k *Key) string { return k.Env() })
)

func indexKeys(by func(*Key) string) map[string]*Key {
	index := make(map[string]*Key, len(keys))
	for i := range keys {
		index[by(&keys[i])] = &keys[i]
	}
	return index
}
