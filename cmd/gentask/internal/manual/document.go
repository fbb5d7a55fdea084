package manual

import "strings"

// Begin and End enclose the generated part of a document.
const (
	Begin = "<!-- Made from the commands by go generate: do not edit up to the end. -->\n\n"
	End   = "\n<!-- The end of what is made from the commands. -->\n"
)

// Replace returns document with another generated part. It reports whether the document has a place
// for one.
func Replace(document, reference string) (string, bool) {
	before, rest, begun := strings.Cut(document, Begin)
	_, after, ended := strings.Cut(rest, End)
	if !begun || !ended {
		return document, false
	}
	return before + Begin + reference + End + after, true
}
