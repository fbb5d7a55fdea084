package main

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	goversion "go/version"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// latest is the version that is made of a tree without a tag.
const latest = "latest"

var tag = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[\w.]+)?$`)

const entrance = `<!doctype html>
<meta charset="utf-8"><title>gentask</title><meta http-equiv="refresh" content="0; url=%[1]s/index.html">
<a href="%[1]s/index.html">gentask</a>
`

//go:embed assets
var assets embed.FS

//go:embed templates
var templates embed.FS

// site is one version of a site. Its paths have slashes. Those of pages are below the directory of
// the version, the others below that of the repository.
type site struct {
	tree     fs.FS  // of the repository
	out      string // the directory of the version
	Version  string
	Nav      []group
	module   string              // the path of the root module
	packages map[string]*library // by directory
	pages    map[string]string   // the page of a document, and of the directory of a package
	sources  []string            // files and directories that pages link to
	index    [][4]string         // what search finds: address, page, heading, text
	layout   *template.Template
}

// generate writes one version, and the list of all versions in out.
func generate(dir, out, version string) error {
	if version != latest && !tag.MatchString(version) {
		return fmt.Errorf("a version is %s or one like v1.2.0, not %q", latest, version)
	}
	s := &site{tree: os.DirFS(dir), out: filepath.Join(out, version), Version: version, pages: map[string]string{}}
	s.layout = template.Must(template.ParseFS(templates, "templates/page.html"))
	if err := s.plan(); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(s.out), os.CopyFS(s.out, assets)); err != nil {
		return err
	}
	for _, group := range s.Nav {
		for _, link := range group.Links {
			write := s.writeDocument
			if s.packages[link.source] != nil {
				write = s.writePackage
			}
			if err := write(link.source); err != nil {
				return fmt.Errorf("%s: %w", link.source, err)
			}
		}
	}
	if err := s.writeSources(); err != nil {
		return err
	}
	return errors.Join(s.writeScript("assets/index.js", "searchIndex", s.index), s.writeVersions())
}

// writeVersions writes the list of all versions, newest first, and a page that leads to the first.
func (s *site) writeVersions() error {
	found, err := filepath.Glob(filepath.Join(s.out, "../*/index.html"))
	if err != nil {
		return err
	}
	var versions []string
	for _, file := range found {
		versions = append(versions, filepath.Base(filepath.Dir(file)))
	}
	slices.SortFunc(versions, func(a, b string) int {
		// latest comes before v1.2.0. A release comes before its candidates, which start with its
		// name.
		return cmp.Or(cmp.Compare(a[0], b[0]), goversion.Compare("go"+b[1:], "go"+a[1:]), cmp.Compare(len(a), len(b)))
	})
	return errors.Join(s.writeScript("../versions.js", "siteVersions", versions),
		s.write("../index.html", fmt.Sprintf(entrance, versions[0])))
}

// writeScript writes a value as a script, which a page can load from a file, too.
func (s *site) writeScript(path, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.write(path, fmt.Sprintf("window.%s = %s;\n", name, text))
}

func (s *site) write(path, text string) error {
	file := filepath.Join(s.out, filepath.FromSlash(path))
	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644))
}
