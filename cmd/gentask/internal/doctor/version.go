package doctor

import (
	"strconv"
	"strings"
)

// older reports whether a version, such as "4.3.2" or "v2.10.16-beta", is older than another. Parts
// that are no numbers end it.
func older(version, than string) bool {
	have, want := numbers(version), numbers(than)
	for i := range want {
		if have[i] != want[i] {
			return have[i] < want[i]
		}
	}
	return false
}

// numbers returns the first three numbers of a version.
func numbers(version string) (parts [3]int) {
	texts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", len(parts))
	for i, text := range texts {
		digits := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
		if digits < 0 {
			digits = len(text)
		}
		parts[i], _ = strconv.Atoi(text[:digits]) // without digits it is zero
	}
	return parts
}
