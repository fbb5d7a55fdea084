package manual

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// Man returns the reference as a man page, in the macros of man(7).
func Man(root *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1\n.SH NAME\n%s \\- %s\n", strings.ToUpper(root.Name), escape(root.Name),
		escape(root.Usage))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n[flags] COMMAND [flags] [ARGUMENTS]\n.SH DESCRIPTION\n", escape(root.Name))
	for _, text := range paragraphs(root) {
		fmt.Fprintf(&b, ".PP\n%s\n", escape(text))
	}
	b.WriteString(".SH FLAGS OF ALL COMMANDS\n")
	options(&b, flagsOf(root))
	b.WriteString(".SH COMMANDS\n")
	walk(root, root.Name, func(c *cli.Command, path string) {
		if c == root {
			return
		}
		fmt.Fprintf(&b, ".SS %s\n%s\n", escape(syntax(c, path)), escape(sentence(c)))
		for _, text := range paragraphs(c) {
			fmt.Fprintf(&b, ".PP\n%s\n", escape(text))
		}
		options(&b, flagsOf(c))
	})
	return b.String()
}

// options writes the flags of a command.
func options(b *strings.Builder, flags []flag) {
	for _, f := range flags {
		name := `\fB` + escape(f.name) + `\fR`
		if f.value != "" {
			name += ` \fI` + escape(f.value) + `\fR`
		}
		fmt.Fprintf(b, ".TP\n%s\n%s\n", name, escape(f.usage+f.details()))
	}
}

// escape returns text as it is, for troff.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}
