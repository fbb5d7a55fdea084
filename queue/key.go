package queue

import (
	"fmt"
	"strings"
)

// The most bytes of a key of a [Store], of a topic of a [Bus], and of the name of either.
const (
	maxKey       = 200
	maxTopic     = 100
	maxSeamName  = 50
	validInTopic = "valid are a to z, digits, hyphens and underscores"
)

// EncodeKey makes one part of a [Store] key of any text: letters, digits, hyphens and underscores
// stay, each other byte becomes an equals sign and two hexadecimal digits. Different texts have
// different parts. An empty text becomes a single equals sign.
func EncodeKey(text string) string {
	if text == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; isKeyByte(c) && c != '=' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// CheckKey returns an [ErrConfig] if key is not one that a [Store] takes. Drivers call it.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > maxKey {
		return fmt.Errorf("%w: key of %d bytes; a key has 1 to %d", ErrConfig, len(key), maxKey)
	}
	for part := range strings.SplitSeq(key, ".") {
		if part == "" {
			return fmt.Errorf("%w: key %q has an empty part; its parts are separated by single dots", ErrConfig, key)
		}
		for i := range len(part) {
			if !isKeyByte(part[i]) {
				return fmt.Errorf("%w: key %q has %q; EncodeKey makes a part of any text", ErrConfig, key, part[i])
			}
		}
	}
	return nil
}

// CheckPrefix returns an [ErrConfig] if prefix is neither empty nor a key. Drivers call it.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckKey(prefix)
}

// HasPrefix reports whether a prefix of a [Store] matches key.
func HasPrefix(key, prefix string) bool {
	rest, found := strings.CutPrefix(key, prefix)
	return prefix == "" || found && (rest == "" || rest[0] == '.')
}

// CheckTopic returns an [ErrConfig] if topic is not one that a [Bus] takes. Drivers call it.
func CheckTopic(topic string) error {
	if len(topic) == 0 || len(topic) > maxTopic {
		return fmt.Errorf("%w: topic of %d bytes; a topic has 1 to %d", ErrConfig, len(topic), maxTopic)
	}
	for part := range strings.SplitSeq(topic, ".") {
		if part == "" {
			return fmt.Errorf("%w: topic %q has an empty part; single dots separate its parts", ErrConfig, topic)
		}
		if bad, found := outside(part); found {
			return fmt.Errorf("%w: topic %q has %q; %s, and dots between parts", ErrConfig, topic, bad, validInTopic)
		}
	}
	return nil
}

// CheckSeamName returns an [ErrConfig] if name is not one of a [Bus] or a [Store]: 1 to 50 of a to
// z, digits, hyphens and underscores. Drivers call it.
func CheckSeamName(name string) error {
	if len(name) == 0 || len(name) > maxSeamName {
		return fmt.Errorf("%w: name of %d bytes; the name of a bus or a store has 1 to %d",
			ErrConfig, len(name), maxSeamName)
	}
	if bad, found := outside(name); found {
		return fmt.Errorf("%w: name %q has %q; %s", ErrConfig, name, bad, validInTopic)
	}
	return nil
}

// outside returns the first byte of text that is not valid in a part of a topic.
func outside(text string) (bad byte, found bool) {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return c, true
		}
	}
	return 0, false
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '='
}
