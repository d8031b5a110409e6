package copytree

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"
)

// owner is a copy's.
func (c *copier) owner(st *unix.Stat_t) (uid, gid int) {
	if c.Owner == nil {
		return int(st.Uid), int(st.Gid)
	}
	u, g := c.Owner(st.Uid, st.Gid)
	return int(u), int(g)
}

// File capabilities, struct vfs_cap_data and vfs_ns_cap_data in linux/capability.h:
// the first word is the revision, with flags in its lowest byte; revision 3 ends
// in the user id of the root that they belong to.
const (
	capMask  = 0xff000000
	capV2    = 0x02000000
	capV3    = 0x03000000
	capV2Len = 20
)

// Access control lists, linux/posix_acl_xattr.h: a version, then entries of a
// tag, permissions and an id, which counts with these two tags.
const (
	aclHeader = 4
	aclEntry  = 8
	aclUser   = 0x02
	aclGroup  = 0x08
)

// convert gives an attribute of a file with the owners changed that it names.
func (c *copier) convert(name string, value []byte) []byte {
	switch {
	case c.Owner == nil:
	case name == "security.capability":
		return c.capability(value)
	case strings.HasPrefix(name, "system.posix_acl_"):
		for at := aclHeader; at+aclEntry <= len(value); at += aclEntry {
			id := value[at+4 : at+aclEntry]
			uid, gid := c.Owner(binary.LittleEndian.Uint32(id), binary.LittleEndian.Uint32(id))
			switch binary.LittleEndian.Uint16(value[at:]) {
			case aclUser:
				binary.LittleEndian.PutUint32(id, uid)
			case aclGroup:
				binary.LittleEndian.PutUint32(id, gid)
			}
		}
	}
	return value
}

func (c *copier) capability(value []byte) []byte {
	if len(value) < capV2Len {
		return value
	}
	magic := binary.LittleEndian.Uint32(value)
	if magic&capMask != capV2 && magic&capMask != capV3 {
		return value
	}
	out := append([]byte(nil), value[:capV2Len]...)
	binary.LittleEndian.PutUint32(out, magic&^capMask|capV3)
	return binary.LittleEndian.AppendUint32(out, c.CapabilityRoot)
}
