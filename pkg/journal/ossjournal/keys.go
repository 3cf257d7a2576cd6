package ossjournal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// EntryKey returns the key of an entry, such as
// "log/5a0c/job/CHG-2041/999999999992" for entry 7. Keys count down, so that the
// newest entry is listed first. The hash spreads the logs over the key space, which
// OSS partitions by prefix.
func EntryKey(log driver.Log, seq uint64) (string, error) {
	prefix, err := logPrefix(log)
	if err != nil {
		return "", err
	}
	if err := driver.CheckSeq(seq); err != nil {
		return "", err
	}
	return prefix + countdown(seq), nil
}

// logPrefix returns what the keys of all entries of a log begin with.
func logPrefix(log driver.Log) (string, error) {
	if err := log.Check(); err != nil {
		return "", err
	}
	if log.Prunable() {
		return log.Kind() + "/" + driver.Escape(log.Name()) + "/", nil
	}
	sum := sha256.Sum256([]byte(log))
	return "log/" + hex.EncodeToString(sum[:2]) + "/" + log.Kind() + "/" + driver.Escape(log.Name()) + "/", nil
}

const countdownDigits = 12

// countdown writes a number so that larger ones come first.
func countdown(seq uint64) string {
	return fmt.Sprintf("%0*d", countdownDigits, driver.MaxSeq+1-seq)
}

// parseCountdown undoes countdown. ok is false for anything else.
func parseCountdown(s string) (seq uint64, ok bool) {
	if len(s) != countdownDigits {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n > driver.MaxSeq {
		return 0, false
	}
	return driver.MaxSeq + 1 - n, true
}
