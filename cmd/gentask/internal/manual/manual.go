// Package manual writes the reference of the commands from the commands themselves: as Markdown,
// and as a man page.
package manual

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// flag is one flag, as a reader sees it.
type flag struct {
	name, value, usage, byDefault, env string
}

// flagsOf returns the flags of a command.
func flagsOf(c *cli.Command) []flag {
	var all []flag
	for _, f := range c.Flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		one := flag{name: "--" + f.Names()[0], env: strings.Join(doc.GetEnvVars(), ", ")}
		one.value, one.usage = unquote(doc.GetUsage())
		if one.value == "" && doc.TakesValue() {
			one.value = strings.ToUpper(doc.TypeName())
		}
		visible, ok := f.(interface{ IsDefaultVisible() bool })
		if ok && visible.IsDefaultVisible() && doc.TakesValue() {
			one.byDefault = strings.Trim(cmp.Or(doc.GetDefaultText(), doc.GetValue()), `"`)
		}
		all = append(all, one)
	}
	return all
}

// unquote returns the name of a flag's value, which is in back quotes, and the usage without them.
func unquote(usage string) (value, text string) {
	before, rest, found := strings.Cut(usage, "`")
	value, after, closed := strings.Cut(rest, "`")
	if !found || !closed {
		return "", usage
	}
	return value, before + value + after
}

// syntax returns the line with which a command is called.
func syntax(c *cli.Command, path string) string {
	line := path
	if len(c.Flags) > 0 {
		line += " [flags]"
	}
	if len(c.Commands) > 0 {
		return line + " COMMAND"
	}
	if c.ArgsUsage != "" {
		line += " " + c.ArgsUsage
	}
	return line
}

// walk calls f for each command below c that can be called, with its whole name.
func walk(c *cli.Command, path string, f func(c *cli.Command, path string)) {
	f(c, path)
	for _, sub := range c.Commands {
		walk(sub, path+" "+sub.Name, f)
	}
}

// paragraphs returns the description of a command, each paragraph on one line.
func paragraphs(c *cli.Command) []string {
	var all []string
	for text := range strings.SplitSeq(c.Description, "\n\n") {
		if text = strings.Join(strings.Fields(text), " "); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// sentence returns the usage of a command as a sentence.
func sentence(c *cli.Command) string {
	if c.Usage == "" {
		return ""
	}
	return strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + "."
}

// details returns what follows the usage of a flag: its default and its variable.
func (f flag) details() string {
	var parts []string
	if f.byDefault != "" {
		parts = append(parts, fmt.Sprintf("default: %s", f.byDefault))
	}
	if f.env != "" {
		parts = append(parts, "variable: "+f.env)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}
