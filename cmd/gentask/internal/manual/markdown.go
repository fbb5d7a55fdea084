package manual

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// width is that of Markdown in this project.
const width = 100

// Markdown returns the reference of all commands, a section for each.
func Markdown(root *cli.Command) string {
	var b strings.Builder
	walk(root, root.Name, func(c *cli.Command, path string) {
		title := path
		if c == root {
			title = "Flags of all commands"
		}
		fmt.Fprintf(&b, "### %s\n\n", title)
		if c != root {
			fmt.Fprintf(&b, "%s\n\n```\n%s\n```\n\n", terminal.Wrap(sentence(c), width), syntax(c, path))
			for _, text := range paragraphs(c) {
				fmt.Fprintf(&b, "%s\n\n", terminal.Wrap(text, width))
			}
		}
		table(&b, flagsOf(c))
	})
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// table writes the flags of a command.
func table(b *strings.Builder, flags []flag) {
	if len(flags) == 0 {
		return
	}
	b.WriteString("| flag | does |\n|---|---|\n")
	for _, f := range flags {
		name := strings.TrimSpace(f.name + " " + f.value)
		fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.ReplaceAll(f.usage+f.details(), "|", `\|`))
	}
	b.WriteString("\n")
}
