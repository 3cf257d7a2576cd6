package replication

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// mostCompared bounds the comparison of two parts, in pairs of lines. Larger ones, of
// which little can be the same, are shown as taken away and added.
const mostCompared = 1 << 20

// diffContext is how many lines that stay are shown beside a change.
const diffContext = 3

// DocumentDiff shows what becomes of a JSON document, line by line in its indented
// form: "+ " begins what is added, "- " what is taken away, "  " what stays. Of longer
// parts that stay only their number of lines is told. before is "" when there is no
// document yet. Members keep their order, so that only what is written changes.
func DocumentDiff(before, after string) []string {
	a, b := documentLines(before), documentLines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	diff := marked("  ", a[:head])
	diff = append(diff, changedLines(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return withoutMiddles(append(diff, marked("  ", a[len(a)-tail:])...))
}

func marked(mark string, lines []string) []string {
	all := make([]string, len(lines))
	for i, l := range lines {
		all[i] = mark + l
	}
	return all
}

// documentLines indents a document; what is no JSON is shown as it is.
func documentLines(document string) []string {
	if document == "" {
		return nil
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(document), "", "  ") != nil {
		return strings.Split(document, "\n")
	}
	return strings.Split(b.String(), "\n")
}

// changedLines compares two parts by their longest common subsequence.
func changedLines(a, b []string) []string {
	if len(a)*len(b) > mostCompared {
		return append(marked("- ", a), marked("+ ", b)...)
	}
	common := make([][]int, len(a)+1) // of a[i:] and b[j:]
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var diff []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			diff = append(diff, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b), i < len(a) && common[i+1][j] >= common[i][j+1]:
			diff = append(diff, "- "+a[i])
			i++
		default:
			diff = append(diff, "+ "+b[j])
			j++
		}
	}
	return diff
}

// withoutMiddles leaves out what stays far from any change.
func withoutMiddles(diff []string) []string {
	near := make([]bool, len(diff))
	for i, l := range diff {
		if strings.HasPrefix(l, "  ") {
			continue
		}
		for k := max(0, i-diffContext); k <= min(len(diff)-1, i+diffContext); k++ {
			near[k] = true
		}
	}
	var short []string
	for i := 0; i < len(diff); {
		from := i
		for i < len(diff) && !near[i] {
			i++
		}
		switch n := i - from; {
		case n == 1:
			short = append(short, diff[from])
		case n > 1:
			short = append(short, fmt.Sprintf("  ... %d lines that stay", n))
		}
		if i < len(diff) {
			short = append(short, diff[i])
			i++
		}
	}
	return short
}
