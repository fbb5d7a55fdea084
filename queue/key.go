package queue

import (
	"fmt"
	"strings"
)

// maxKey and maxTopic are the most bytes of a key of a [Store], and of a topic of a [Bus].
const (
	maxKey   = 200
	maxTopic = 100
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
	for i := range len(topic) {
		if c := topic[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return fmt.Errorf("%w: topic %q has %q; valid are a to z, digits, dot, hyphen and underscore", ErrConfig, topic, c)
		}
	}
	return nil
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '='
}
