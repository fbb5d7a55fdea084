package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const shop = "testdata/shop"

// mutate returns what the program prints for the shop, with runs of spaces as one.
func mutate(t *testing.T, config string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := run(t.Context(), append([]string{"-dir", shop, "-config", config}, args...), &out)
	lines := strings.Split(out.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n"), err
}

// shopWith returns a configuration of the shop with another list of survivors.
func shopWith(t *testing.T, edit func(list string) string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"files.txt", "tests.txt", "survivors.txt"} {
		text, err := os.ReadFile(filepath.Join(shop, name))
		require.NoError(t, err)
		if name == "survivors.txt" {
			text = []byte(edit(string(text)))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	return dir
}

// TestRun: each mutant is killed by a test of the stage that sees it first, or survives with a
// reason. One that makes a loop endless is killed, too.
func TestRun(t *testing.T) {
	work := t.TempDir()
	out, err := mutate(t, shop, "-work", work)
	require.NoError(t, err, out)
	require.Contains(t, out, `file mutants price rest argued not argued of these not reached
shop.go 14 5 3 6 0 4
all 14 5 3 6 0 4
`)
	text, err := os.ReadFile(filepath.Join(work, "results.txt"))
	require.NoError(t, err)
	require.Contains(t, string(text), "killed\t1\tdoes not end\tshop.go Spin: always: n > 0\n")
	require.Contains(t, string(text), "killed\t0\tTestPrice\tshop.go Price: sign: price - 5\n")
	require.Contains(t, string(text), "not reached\t0\t\tshop.go unused: remove: done <- true\n")
}

// TestRun_Survivor: a survivor without a reason is an error, and a reason that is no longer needed
// is reported.
func TestRun_Survivor(t *testing.T) {
	config := shopWith(t, func(list string) string {
		return strings.NewReplacer("always: n >= 10", "boundary: n >= 10").Replace(list)
	})
	out, err := mutate(t, config, "-match", "n >= 10")
	require.ErrorContains(t, err, "1 survivors")
	require.ErrorContains(t, err, "shop.go Price: always: n >= 10 (not reached)")
	require.Contains(t, out, "listed in survivors.txt, but killed by TestPrice: shop.go Price: boundary: n >= 10")
}

// TestCheck: each line of the list must name a mutant of the code.
func TestCheck(t *testing.T) {
	_, err := mutate(t, shop, "-check")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		edit func(string) string
		want string
	}{
		"unknown": {
			func(s string) string { return s + "shop.go Price: remove: price++\n\tOld.\n" },
			"not in the code: shop.go Price: remove: price++",
		},
		"twice": {
			func(s string) string { return s + "shop.go Spin: never: n > 0\n\tAgain.\n" },
			"twice: shop.go Spin: never: n > 0",
		},
		"no reason": {
			func(s string) string { return s + "shop.go Price: sign: price - 5\n" },
			"no reason for: shop.go Price: sign: price - 5",
		},
		"no mutant": {func(s string) string { return "\tReason.\n" + s }, "a reason without a mutant"},
	} {
		_, err := mutate(t, shopWith(t, c.edit), "-check")
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestBadArguments(t *testing.T) {
	for want, args := range map[string][]string{
		"-workers=0":                {"-workers", "0"},
		"till.go is not in files":   {"till.go"},
		"flag provided but not def": {"-quick"},
	} {
		_, err := mutate(t, shop, args...)
		require.ErrorContains(t, err, want)
	}
}
