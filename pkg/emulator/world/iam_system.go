package world

import (
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// systemPolicies makes the policies of the cloud that this project has to do with.
// The documents are cut down to the services that the local cloud has; the real
// ones name more.
func systemPolicies() map[string]*Policy {
	made := time.Date(2015, time.April, 28, 0, 0, 0, 0, time.UTC)
	all := map[string]*Policy{}
	add := func(name, description, actions string) {
		text := fmt.Sprintf(`{"Version": "1", "Statement": [{"Effect": "Allow", "Action": [%s], "Resource": ["*"]}]}`, actions)
		d, err := policy.Parse(policy.Identity, []byte(text))
		if err != nil {
			panic(fmt.Sprintf("world: system policy %s: %v", name, err))
		}
		all[name] = &Policy{
			Name: name, Description: description, Type: TypeSystem, Created: made, Updated: made, Default: "v1", nextVersion: 2,
			Versions:  []PolicyVersion{{ID: "v1", Document: reformat([]byte(text)), Created: made, parsed: d}},
			effective: effective{}.then(time.Time{}, time.Time{}, d),
		}
	}
	add("AdministratorAccess", "All rights to all resources", `"*"`)
	add("AliyunOSSFullAccess", "All rights to OSS", `"oss:*"`)
	add("AliyunOSSReadOnlyAccess", "Reading OSS", `"oss:Get*", "oss:List*"`)
	add("AliyunKMSFullAccess", "All rights to KMS", `"kms:*"`)
	add("AliyunKMSCryptoUserAccess", "Using the keys of KMS",
		`"kms:List*", "kms:DescribeKey", "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"`)
	add("AliyunMNSFullAccess", "All rights to MNS", `"mns:*"`)
	add("AliyunRAMFullAccess", "All rights to RAM", `"ram:*"`)
	add("AliyunSTSAssumeRoleAccess", "Assuming roles", `"sts:AssumeRole"`)
	add("AliyunFCDefaultRolePolicy", "What Function Compute does for a function",
		`"log:PostLogStoreLogs", "fc:InvokeFunction", "mns:SendMessage", "mns:PublishMessage", "eventbridge:PutEvents"`)
	return all
}
