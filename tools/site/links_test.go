package main

import (
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	anchor    = regexp.MustCompile(` id="([^"]*)"`)
	reference = regexp.MustCompile(` (?:href|src)="([^"]*)"`)
	// What the policy of the pages forbids.
	inline = regexp.MustCompile(`<style|<script>|<[^>]* (style|on[a-z]+)=`)
)

// checkPages returns a line for each link of a site that leads nowhere, each anchor that a page has
// twice, and each inline style or script. It also returns the number of pages.
func checkPages(t *testing.T, tree fs.FS) (bad []string, pages int) {
	t.Helper()
	anchors := map[string]map[string]bool{}
	texts := map[string]string{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".html" {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		texts[name], anchors[name] = string(text), map[string]bool{}
		for _, match := range anchor.FindAllStringSubmatch(texts[name], -1) {
			id := html.UnescapeString(match[1])
			if anchors[name][id] {
				bad = append(bad, fmt.Sprintf("%s: two anchors %s", name, id))
			}
			anchors[name][id] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range texts {
		if found := inline.FindString(text); found != "" {
			bad = append(bad, fmt.Sprintf("%s: %s is inline", name, found))
		}
		for _, match := range reference.FindAllStringSubmatch(text, -1) {
			to, err := url.Parse(html.UnescapeString(match[1]))
			if err != nil {
				t.Fatal(name, err)
			}
			target := path.Join(path.Dir(name), to.Path)
			if to.Path == "" {
				target = name
			}
			if _, err := fs.Stat(tree, target); to.Scheme == "" && (err != nil || to.Fragment != "" && !anchors[target][to.Fragment]) {
				bad = append(bad, fmt.Sprintf("%s: %s leads nowhere", name, match[1]))
			}
		}
	}
	return bad, len(texts)
}

func TestCheckPages(t *testing.T) {
	dir := t.TempDir()
	s := &site{out: dir}
	for name, text := range map[string]string{
		"a.html":   `<p id="x"><a href="b/c.html#y">1</a><a href="#x">2</a><a href="https://x.org/no#no">3</a>`,
		"b/c.html": `<p id="y"><p id="y"><a href="../a.html#z">4</a><img src="no.svg"><p style="color:red">`,
	} {
		if err := s.write(name, text); err != nil {
			t.Fatal(err)
		}
	}
	bad, pages := checkPages(t, osDir(dir))
	want := "b/c.html: two anchors y|b/c.html: <p style= is inline|b/c.html: ../a.html#z leads nowhere|b/c.html: no.svg leads nowhere"
	if got := strings.Join(bad, "|"); got != want || pages != 2 {
		t.Error(pages, got)
	}
}
