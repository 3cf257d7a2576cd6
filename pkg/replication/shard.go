package replication

import "hash/fnv"

// Shard returns the shard, from 0 to shards-1, in which the markers of a job and
// its watch stand. Fewer than one shard counts as one.
func Shard(id string, shards int) int {
	if shards <= 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return int(h.Sum32() % uint32(shards))
}
