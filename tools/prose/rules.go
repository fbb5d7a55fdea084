package main

import (
	"fmt"
	"regexp"
	"strings"
)

// rule finds words that must not stand in a sentence.
type rule struct {
	words  *regexp.Regexp
	remedy string
}

var rules = []rule{
	{regexp.MustCompile(`(?i)\b(whatever|whoever|whomever|whichever)\b`), "name the cases"},
	{regexp.MustCompile(`(?i)\bnobody\b`), `"no" and a noun`},
	{regexp.MustCompile(`(?i)\bof the user's\b`), `"user code"`},
	{regexp.MustCompile(`(?i)\bof the (caller|driver|broker)'s( own)?[.,;:)]`), "the owner before the noun"},
	{regexp.MustCompile(`(?i)\banew\b`), `"again"`},
	{regexp.MustCompile(`(?i)\b(hears|tells|says|knows)\b`), `"reports", "returns", "has" or "is called when"`},
	{regexp.MustCompile(`(?i)\b(he|his|him|she|her)\b`), `"you" or a noun`},
	{regexp.MustCompile(`^(What|Whoever|Whatever) [^?]*[^?]$`), "begin with a noun"},
}

// check returns a line for each rule that the sentence breaks. most is the most words of one.
func check(s sentence, most int) []string {
	var bad []string
	for _, r := range rules {
		if word := r.words.FindString(s.text); word != "" {
			bad = append(bad, fmt.Sprintf("%q: want %s", cut(word), r.remedy))
		}
	}
	if n := len(strings.Fields(s.text)); n > most {
		bad = append(bad, fmt.Sprintf("%d words in the sentence %q: want %d at most", n, cut(s.text), most))
	}
	return bad
}

// cut returns the beginning of a text.
func cut(text string) string {
	if words := strings.Fields(text); len(words) > 8 {
		return strings.Join(words[:8], " ") + " ..."
	}
	return text
}
