package terminal

import "strings"

// Key is what a person has pressed: the character, or one of the others below.
type Key rune

// The keys that are no characters. They are beyond all characters.
const (
	KeyUp Key = 0x110000 + iota
	KeyDown
	KeyPageUp
	KeyPageDown
	KeyHome
	KeyEnd
)

// KeyInterrupt is Ctrl-C.
const KeyInterrupt Key = 3

// escape begins the sequences of keys that are no characters.
const escape = 0x1b

// sequences are those of the keys, without the escape.
var sequences = map[string]Key{
	"[A": KeyUp, "OA": KeyUp, "[B": KeyDown, "OB": KeyDown, "[5~": KeyPageUp, "[6~": KeyPageDown,
	"[H": KeyHome, "OH": KeyHome, "[1~": KeyHome, "[F": KeyEnd, "OF": KeyEnd, "[4~": KeyEnd,
}

// keysOf returns the keys of what a terminal has sent, and the begin of a sequence whose rest has
// not come. Unknown sequences, and bytes beyond ASCII, are no keys.
func keysOf(data []byte) (keys []Key, rest []byte) {
	for len(data) > 0 {
		if data[0] != escape {
			if data[0] < 0x80 {
				keys = append(keys, Key(data[0]))
			}
			data = data[1:]
			continue
		}
		n := sequenceLen(data)
		if n == 0 {
			return keys, data
		}
		if key, known := sequences[string(data[1:n])]; known {
			keys = append(keys, key)
		}
		data = data[n:]
	}
	return keys, nil
}

// sequenceLen returns the length of the sequence at the begin of data, and 0 if its end is missing.
// An escape before anything that begins no sequence is one by itself.
func sequenceLen(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case 'O':
		if len(data) < 3 {
			return 0
		}
		return 3
	case '[':
		for i := 2; i < len(data); i++ {
			if strings.IndexByte("0123456789;?", data[i]) < 0 {
				return i + 1
			}
		}
		return 0
	}
	return 1
}
