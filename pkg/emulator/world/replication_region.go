package world

import (
	"slices"
	"strings"
)

// replicationRegions are the regions between which OSS replicates, as the sample
// of GetBucketReplicationLocation lists them for cn-hangzhou, and that region.
var replicationRegions = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3",
	"ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"cn-beijing", "cn-chengdu", "cn-fuzhou", "cn-guangzhou", "cn-hangzhou", "cn-heyuan", "cn-hongkong",
	"cn-huhehaote", "cn-nanjing", "cn-qingdao", "cn-shanghai", "cn-shenzhen", "cn-wulanchabu", "cn-zhangjiakou",
	"eu-central-1", "eu-west-1", "me-central-1", "me-east-1", "rus-west-1", "us-east-1", "us-west-1",
}

// rtcRegions are the groups of regions inside which replication time control exists.
var rtcRegions = [][]string{
	{"cn-beijing", "cn-hangzhou", "cn-qingdao", "cn-shanghai", "cn-shenzhen", "cn-zhangjiakou"},
	{"us-east-1", "us-west-1"},
}

// withoutTagFilter are the regions that know no filter by tags; the finance cloud
// is another (see [tagFilterRegion]).
var withoutTagFilter = []string{"cn-zhangjiakou", "cn-zhongwei", "na-south-1"}

// ReplicationLocations says where rules of a bucket may lead. Locations are in
// their OSS form, in alphabetical order; the bucket's own is not among them.
type ReplicationLocations struct {
	Locations []string
	// AcceleratedOnly are those that take only the transfer type oss_acc.
	AcceleratedOnly []string
	RTC             []string
}

// ReplicationLocations tells where rules of a bucket may lead.
func (w *World) ReplicationLocations(bucket string) (ReplicationLocations, *Error) {
	w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return ReplicationLocations{}, e
	}
	var l ReplicationLocations
	if !slices.Contains(replicationRegions, b.Region) {
		return l, nil
	}
	for _, region := range replicationRegions {
		if region == b.Region {
			continue
		}
		location := "oss-" + region
		l.Locations = append(l.Locations, location)
		if crossesBorder(b.Region, region) {
			l.AcceleratedOnly = append(l.AcceleratedOnly, location)
		}
		if rtcPair(b.Region, region) {
			l.RTC = append(l.RTC, location)
		}
	}
	return l, nil
}

// regionOf turns "oss-cn-hangzhou" into "cn-hangzhou".
func regionOf(location string) string { return strings.TrimPrefix(location, "oss-") }

// mainland reports whether a region lies in mainland China.
func mainland(region string) bool {
	return strings.HasPrefix(region, "cn-") && !strings.HasPrefix(region, "cn-hongkong")
}

func crossesBorder(a, b string) bool { return mainland(a) != mainland(b) }

// rtcPair reports whether replication time control exists between two regions.
func rtcPair(a, b string) bool {
	return a != b && slices.ContainsFunc(rtcRegions, func(group []string) bool {
		return slices.Contains(group, a) && slices.Contains(group, b)
	})
}

// tagFilterRegion reports whether rules of that region may choose objects by tags.
func tagFilterRegion(region string) bool {
	return !slices.Contains(withoutTagFilter, region) && !strings.Contains(region, "finance")
}
