package command

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/manual"
)

func (a *app) man() *cli.Command {
	return &cli.Command{
		Name: "man", Usage: "write the man page of all commands",
		Description: `The page is made from the commands, in the macros of man(7). To read it: gentask man | man -l -`,
		Action: a.do(spec{offline: true}, func(_ context.Context, s *session) error {
			s.screen.Printf("%s", manual.Man(Tree()))
			return nil
		}),
	}
}
