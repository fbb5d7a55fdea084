package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/bench/result"
)

const results = `{"suite":"rabbitmq","case":"quorum/p1000","peer":"amqp091-go","unit":"jobs/s",
"ours":51000,"theirs":42800,"ratio_min":1.15,"ratio":1.19,"ratio_max":1.24,"target":1.2,"ok":false}
{"suite":"storm","case":"half & half","peer":"calm","unit":"jobs/s",
"ours":2,"theirs":3,"ratio_min":0.6,"ratio":0.7,"ratio_max":0.8,"target":null,"ok":true}
{"suite":"soak","case":"a & b","peer":"its second minute","unit":"MiB live heap",
"ours":2,"theirs":2,"ratio_min":1,"ratio":1,"ratio_max":1,"target":1.1,"ok":true,"over":{"every":60,"values":[1,2,0]}}
{"suite":"soak","case":"a & b","peer":"its second minute","unit":"goroutines",
"ours":0,"theirs":0,"ratio_min":1,"ratio":1,"ratio_max":1,"target":1.1,"ok":true,"over":{"every":60,"values":[0]}}
`

func document(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "doc.md")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestResultsStandBetweenTheMarks(t *testing.T) {
	doc := document(t, "before\n"+beginMark+"old\n"+endMark+"after\n")
	require.NoError(t, run(strings.NewReader(results), doc))
	require.NoError(t, run(strings.NewReader(results), doc), "again")
	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "before\n"+beginMark))
	require.True(t, strings.HasSuffix(string(text), endMark+"after\n"))
	require.NotContains(t, string(text), "old")
	row := "| quorum/p1000 | amqp091-go | jobs/s | 51000 | 42800 | 1.19 (1.15 - 1.24) | at least 1.20 | **missed** |"
	require.Equal(t, 1, strings.Count(string(text), row))
}

func TestOtherSuitesStayAsTheyAre(t *testing.T) {
	doc := document(t, beginMark+"\n### kernel\n\nolder\n\n### storm\n\nold\n\n### peers\n\nlongest\n\n"+endMark)
	require.NoError(t, run(strings.NewReader(results), doc))
	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	require.Contains(t, string(text), "### kernel\n\nolder\n\n### storm\n\n| case")
	require.Contains(t, string(text), "### peers\n\nlongest\n\n### rabbitmq\n\n| case")
	require.NotContains(t, string(text), "\nold\n")
}

func TestChartsAreWellFormed(t *testing.T) {
	doc := document(t, beginMark+endMark)
	require.NoError(t, run(strings.NewReader(results), doc))
	for _, suite := range []string{"rabbitmq", "storm", "soak"} {
		f, err := os.Open(filepath.Join(filepath.Dir(doc), "performance", suite+".svg"))
		require.NoError(t, err)
		d := xml.NewDecoder(f)
		for err == nil {
			_, err = d.Token()
		}
		require.ErrorIs(t, err, io.EOF, suite)
		require.NoError(t, f.Close())
	}
}

func TestCurvesHaveNoMorePointsThanCanBeSeen(t *testing.T) {
	values := make([]float64, 100*mostPoints)
	values[77] = 1
	svg := curves([]result.Line{{Case: "c", Unit: result.Goroutines, Over: &result.Series{Every: 1, Values: values}}})
	_, points, _ := strings.Cut(svg, `points="`)
	points, _, _ = strings.Cut(points, `"`)
	require.Len(t, strings.Fields(points), mostPoints)
	require.Contains(t, points, fmt.Sprintf(",%.1f ", float64(plotTop)), "the one that stands out")
}

func TestADocumentWithoutMarksIsLeftAlone(t *testing.T) {
	doc := document(t, "no place\n")
	require.ErrorIs(t, run(strings.NewReader(results), doc), errNoMarks)
	require.ErrorIs(t, run(strings.NewReader(""), doc), errNoResults)
}
