package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// test is one test of a stage.
type test struct {
	binary *binary
	name   string
	measurement
}

// measurement is what is known of a test from a run without a mutant.
type measurement struct {
	Cost    time.Duration
	Reaches map[int]bool // the numbers of mutants
}

// measured remembers measurements, from one run of the program to the next. Its keys name the hash
// of the binary, the environment and the test.
type measured map[string]measurement

// readMeasured reads what an earlier run has written, if there was one.
func readMeasured(path string) (measured, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return measured{}, nil
	}
	if err != nil {
		return nil, err
	}
	m := measured{}
	return m, json.Unmarshal(text, &m)
}

// write writes the measurements of the binaries. Those of others are of no use any more.
func (m measured) write(path string, binaries map[string]*binary) error {
	kept := measured{}
	for key, one := range m {
		for _, bin := range binaries {
			if strings.HasPrefix(key, bin.hash) {
				kept[key] = one
			}
		}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	// By a rename: another run may be reading.
	written := path + strconv.Itoa(os.Getpid())
	if err := os.WriteFile(written, text, 0o644); err != nil {
		return err
	}
	return os.Rename(written, path)
}

// hashOf returns the hash of a file.
func hashOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

var passed = regexp.MustCompile(`(?m)^--- PASS: \S+ \(([\d.]+)s\)`)

// measure runs a test alone and without a mutant, unless that was done before.
func (b *bench) measure(ctx context.Context, s *stage, t *test) error {
	key := strings.Join(append([]string{t.binary.hash, t.name}, s.env...), " ")
	if known, ok := b.measured[key]; ok {
		t.measurement = known
		return nil
	}
	var err error
	for range 3 { // a test may fail because the machine is busy, now and then
		if t.measurement, err = b.try(ctx, s, t); err == nil {
			b.measured[key] = t.measurement
			return nil
		}
	}
	return err
}

func (b *bench) try(ctx context.Context, s *stage, t *test) (m measurement, err error) {
	path := filepath.Join(b.work, "reached")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, err
	}
	cmd := b.command(ctx, t.binary, "-test.v", "-test.run", "^"+t.name+"$")
	cmd.Env = append(s.environment(), "GENTASK_MUTANTS_REACHED="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return m, fmt.Errorf("%s fails without a mutant: %w\n%s", t.name, err, out)
	}
	m.Reaches = map[int]bool{}
	if found := passed.FindSubmatch(out); found != nil {
		seconds, _ := strconv.ParseFloat(string(found[1]), 64)
		m.Cost = time.Duration(seconds * float64(time.Second))
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, err
	}
	for _, word := range strings.Fields(string(text)) {
		id, err := strconv.Atoi(word)
		if err != nil {
			return m, err
		}
		m.Reaches[id] = true
	}
	return m, nil
}
