// Package access identifies the users of the console and names their roles.
//
// A [Gate] identifies users by one or more methods:
//
//   - a password file, with a session in a cookie: [Options.PasswordFile];
//   - OpenID Connect, with a session in a cookie: [Options.OIDC];
//   - a header that a trusted reverse proxy sets: [Options.Proxy];
//   - a function of the service that embeds the console: [Options.Identify].
//
// There is no default password. [FirstStart] makes a password file with a random password
// that must be changed at the first login.
//
// Without any method no user is identified, and [Gate.CheckListen] accepts only loopback
// addresses. With [Options.Open], which excludes all methods, each request from this machine
// has the role Admin.
//
// # Roles
//
// A user has one [Role] per pool. The package identifies users and names their roles. It
// does not refuse requests: the server compares [User.Role] with the role that an action
// needs.
//
// # Sessions
//
// Sessions are in the memory of the process. They end when it ends. Several consoles behind
// a load balancer need sticky sessions, also during a login by OpenID Connect, or the method
// Proxy or Identify, which have no sessions.
//
// # Tokens
//
// Programs use tokens of the users of a password file: see [AddToken] and [Gate.Bearer]. A token
// has at most the roles of its user. A wrong token is counted for its address, apart from failed
// logins. After ten, requests with wrong tokens from the address get a [TooManyError]. Right
// tokens are not affected, because a token of 256 random bits cannot be guessed.
//
// # Requests from other sites
//
// The server must wrap the handler in [net/http.CrossOriginProtection]. It refuses requests
// that change something and that a browser sends for another origin, logins included. The
// attribute SameSite=Lax of the cookies is the second barrier.
package access
