package namespace

// applyViewer sets or removes the password that only looks.
func (p Patch) applyViewer(n *Namespace) error {
	switch {
	case p.ViewerPassword == nil:
		return nil
	case *p.ViewerPassword == "":
		n.ViewerHash = ""
		return nil
	}
	hash, err := p.hash(*p.ViewerPassword)
	n.ViewerHash = hash
	return err
}

// Access is what a password of a namespace opens.
type Access int

// AccessAll changes and looks, AccessLook only looks.
const (
	AccessAll Access = iota + 1
	AccessLook
)

// Login checks the passwords of a namespace, that of auth_passwd first. Errors
// as Authenticate.
func (r *Registry) Login(key, password string) (*Namespace, Access, error) {
	n, err := r.Authenticate(key, password)
	if err == nil {
		return n, AccessAll, nil
	}
	if found, ok := r.Get(key); ok && r.verifier.Verify(found.ViewerHash, password) {
		return found, AccessLook, nil
	}
	return nil, 0, err
}
