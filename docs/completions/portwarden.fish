# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_portwarden_global_optspecs
    string join \n h/help V/version
end

function __fish_portwarden_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_portwarden_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_portwarden_using_subcommand
    set -l cmd (__fish_portwarden_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c portwarden -n "__fish_portwarden_needs_command" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_needs_command" -s V -l version -d 'Print version'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "serve" -d 'Serve the registry'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "check" -d 'Check a configuration for errors and probable mistakes'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "explain" -d 'Show what an account may do, and by which rule'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "test-policy" -d 'Test the rules against a table of expectations, for use in CI'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "replay" -d 'Show what other rules would have done with the requests of an audit log: who gains, who loses, by which rule'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "unused" -d 'List the rules, and rights of them, that no request of an audit log used'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "freeze" -d 'Reject writes temporarily while the registry collects its garbage; pulls go on'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "thaw" -d 'Accept writes again'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "status" -d 'Show whether writes are accepted'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "untag" -d 'Delete tags, and leave the other tags on their manifests, on registry 2.8 too'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "tags" -d 'Look after write-once tags'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "prune" -d 'Delete the tags that retention does not keep, with the images that no other tag needs; without --apply, show them'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "activity" -d 'Show who pushed and pulled what last, and how often'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "revoke" -d 'Refuse tokens and sessions that were issued, from their next request on'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "token" -d 'Get a token from a registry, for scripts; `token new` makes one for a robot'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "login" -d 'Get a token for docker, podman and skopeo, once you allow it in a browser'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "logout" -d 'Remove a registry from docker\'s configuration, and revoke the token that stood there'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "credential-provider" -d 'Answer a kubelet: the token of a pod\'s service account as the credentials of an image'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "hash" -d 'Hash a password for `users:`, as `htpasswd -nB` does'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c portwarden -n "__fish_portwarden_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portwarden -n "__fish_portwarden_using_subcommand serve" -s c -l config -d 'The configuration: docker_auth\'s auth_config.yml, with or without Portwarden\'s own sections [env: PORTWARDEN_CONFIG]' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand serve" -l listen -d 'Address to listen on, instead of server.addr: ":443", "127.0.0.1:8443", "unix:/path" (may be repeated)' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand serve" -l registry -d 'Address of the registry, instead of registry.url: http://127.0.0.1:5000 or unix:/path' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand serve" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand check" -s c -l config -d 'The configuration: docker_auth\'s auth_config.yml, with or without Portwarden\'s own sections [env: PORTWARDEN_CONFIG]' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand check" -l strict -d 'Treat warnings as errors'
complete -c portwarden -n "__fish_portwarden_using_subcommand check" -l without-files -d 'Read no other file than the configuration, for a machine without its certificates, keys, commands and databases; a note names each that was skipped'
complete -c portwarden -n "__fish_portwarden_using_subcommand check" -l json -d 'Print each finding as a JSON object on a line: severity, file, line, column, key, message, hint'
complete -c portwarden -n "__fish_portwarden_using_subcommand check" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -s c -l config -d 'The configuration: docker_auth\'s auth_config.yml, with or without Portwarden\'s own sections [env: PORTWARDEN_CONFIG]' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l account -d 'The account; "" for a client without credentials' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l jwt -d 'Instead, the account and labels of a JWT in a file, checked as a login with it would be; the keys of its issuer are fetched' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l certificate -d 'Instead, the account and labels of the client certificate in a file (PEM, the intermediate authorities behind it), judged as on a connection' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l label -d 'A label, instead of the account\'s own (may be repeated)' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l ip -d 'The client\'s address; without one, a rule with an ip grants nothing and may deny' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l service -d 'The service, instead of registry.service' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l at -d 'Another time than the present, as 2026-12-31 or 2026-12-31T18:00:00Z: rules with from and until hold at times' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l tag -d 'The tag that a scope is asked about, for rules with `tag`; a request names its own' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l token-scope -d 'With a personal token of this scope, as repository:team/*:pull (may be repeated), instead of a password' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l scope -d 'Scope to ask for: repository:team/app:pull,push' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l request -d 'Or a request, whose needs are looked up: \'PUT /v2/team/app/manifests/1.0\'' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l everyone -d 'Every account of the configuration that may do that, and by which rule (with -v, also those that may not)'
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -s v -l verbose -d 'Also say why the rules before it did not match'
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -l json -d 'Answer in JSON, a line for each account. With no scope and no request, answer each line of standard input: {"account","type","name","service","ip","actions","labels","at","tag"}'
complete -c portwarden -n "__fish_portwarden_using_subcommand explain" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand test-policy" -s c -l config -d 'The configuration: docker_auth\'s auth_config.yml, with or without Portwarden\'s own sections [env: PORTWARDEN_CONFIG]' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand test-policy" -l json -d 'Print each expectation, met or not, as a JSON object on a line'
complete -c portwarden -n "__fish_portwarden_using_subcommand test-policy" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand replay" -s c -l config -d 'The configuration: docker_auth\'s auth_config.yml, with or without Portwarden\'s own sections [env: PORTWARDEN_CONFIG]' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand replay" -l audit -d 'Files of the audit log, also compressed by gzip; \'-\' is standard input, and \'*\' in a quoted name stands for any characters' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand replay" -l at -d 'The time of the switch, as 2026-12-31 or 2026-12-31T18:00:00Z, instead of the present' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand replay" -l allow-undecided -d 'Exit with 0 even if it cannot be told from the log what becomes of some requests'
complete -c portwarden -n "__fish_portwarden_using_subcommand replay" -s v -l verbose -d 'Also name a tag or digest for each difference'
complete -c portwarden -n "__fish_portwarden_using_subcommand replay" -l json -d 'Print each difference as a JSON object on a line: kind, account, source, token, type, name, action, count, last, from, by, was, reference; then each reason of undecided requests; and the numbers at the end'
complete -c portwarden -n "__fish_portwarden_using_subcommand replay" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand unused" -s c -l config -d 'The configuration: docker_auth\'s auth_config.yml, with or without Portwarden\'s own sections [env: PORTWARDEN_CONFIG]' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand unused" -l audit -d 'Files of the audit log, also compressed by gzip; \'-\' is standard input, and \'*\' in a quoted name stands for any characters' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand unused" -l since -d 'Look at the requests of this time only, as 90d' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand unused" -l json -d 'Print each rule as a JSON object on a line: rule, line, comment, decided, last, grants, used, accounts, repositories; and the numbers at the end'
complete -c portwarden -n "__fish_portwarden_using_subcommand unused" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand freeze" -l for -d 'Time after which it ends by itself: 90s, 30m, 2h' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand freeze" -l drain -d 'Time for which pushes under way may go on before they are cut off' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand freeze" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand freeze" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand thaw" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand thaw" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand status" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand status" -l json -d 'Print a JSON object: state (open, draining or frozen), seconds, cut_off or pushes, and shadow if there is one'
complete -c portwarden -n "__fish_portwarden_using_subcommand status" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand untag" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand untag" -l json -d 'Print a JSON object for each tag: repository, tag, deleted, digest, why'
complete -c portwarden -n "__fish_portwarden_using_subcommand untag" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand tags; and not __fish_seen_subcommand_from release help" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand tags; and not __fish_seen_subcommand_from release help" -f -a "release" -d 'End the claim of a push whose answer was lost, so that another image can be pushed to the tag'
complete -c portwarden -n "__fish_portwarden_using_subcommand tags; and not __fish_seen_subcommand_from release help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portwarden -n "__fish_portwarden_using_subcommand tags; and __fish_seen_subcommand_from release" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand tags; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand tags; and __fish_seen_subcommand_from help" -f -a "release" -d 'End the claim of a push whose answer was lost, so that another image can be pushed to the tag'
complete -c portwarden -n "__fish_portwarden_using_subcommand tags; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portwarden -n "__fish_portwarden_using_subcommand prune" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand prune" -l apply -d 'Delete; without it, only show what would be deleted'
complete -c portwarden -n "__fish_portwarden_using_subcommand prune" -s v -l verbose -d 'Also show the tags that stay, each with what keeps it'
complete -c portwarden -n "__fish_portwarden_using_subcommand prune" -l json -d 'Print each tag as a JSON object on a line: repository, tag, digest, pushed, is_exact, what (tag, tag_and_image or kept), why; then each failure: repository, failed; and the numbers at the end'
complete -c portwarden -n "__fish_portwarden_using_subcommand prune" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and not __fish_seen_subcommand_from import help" -l account -d 'Only where the last push, pull or check was by this account; "" for clients without one' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and not __fish_seen_subcommand_from import help" -l since -d 'Only where something was done in this time, as 30d' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and not __fish_seen_subcommand_from import help" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and not __fish_seen_subcommand_from import help" -l json -d 'Print each as a JSON object on a line: repository, tag or digest, pushed, pulled and checked (each with at and account), pulls_30d; then known_since'
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and not __fish_seen_subcommand_from import help" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and not __fish_seen_subcommand_from import help" -a "import" -d 'Add what an audit log tells of the time before activity was recorded; what is on record already counts once'
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and not __fish_seen_subcommand_from import help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and __fish_seen_subcommand_from import" -l audit -d 'Files of the audit log, also compressed by gzip; \'-\' is standard input, and \'*\' in a quoted name stands for any characters' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and __fish_seen_subcommand_from import" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and __fish_seen_subcommand_from help" -f -a "import" -d 'Add what an audit log tells of the time before activity was recorded; what is on record already counts once'
complete -c portwarden -n "__fish_portwarden_using_subcommand activity; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portwarden -n "__fish_portwarden_using_subcommand revoke" -l account -d 'All that was issued to this account, in any spelling of its name' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand revoke" -l token -d 'A token by its id: twelve digits of a robot\'s or a personal token, or the jti of a token or JWT' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand revoke" -l jti -d 'The same by a jti that looks like the id of such a token: twelve or 64 hexadecimal digits' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand revoke" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand revoke" -l all-sessions -d 'All that was issued, to every account'
complete -c portwarden -n "__fish_portwarden_using_subcommand revoke" -l forget -d 'Forget which person of which provider has the account: its name is free for the next one who signs in'
complete -c portwarden -n "__fish_portwarden_using_subcommand revoke" -l json -d 'Print a JSON object: revoked (account, token or all), name, robot, account (of a personal token), at, and forgotten with --forget'
complete -c portwarden -n "__fish_portwarden_using_subcommand revoke" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -l registry -d 'The registry: https://registry.example' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -l user -d 'The account, whose password is asked for, or read from standard input; without one, an anonymous token' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -l scope -d 'Scope of the token: repository:team/app:pull,push (may be repeated)' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -l ca-certificate -d 'Trust the authorities in this file (PEM) instead of the system\'s' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -l realm -d 'The token endpoint, where it is on another host than the registry' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -l json -d 'Print the whole answer, with the lifetime of the token'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -f -a "new" -d 'Make a token for a robot, and the line for `robots:`; it is shown once and stored nowhere'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -f -a "list" -d 'List the tokens of robots and of people, with their last use, and the revocations in force, as the running server knows them'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and not __fish_seen_subcommand_from new list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from new" -l robot -d 'The robot: its name under `robots:`, and the user name of `docker login`' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from new" -l expires -d 'The last day on which the token is good, in UTC, as 2027-03-01; without it, the token does not expire' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from new" -l comment -d 'Your own words about the token, for the audit log: where it is used' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from new" -l json -d 'Print a JSON object: robot, token, id, sha256, expires, comment'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from list" -l account -d 'Only those of this account' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from list" -l socket -d 'The control socket of the server' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from list" -l json -d 'Print each as a JSON object on a line'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "new" -d 'Make a token for a robot, and the line for `robots:`; it is shown once and stored nowhere'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the tokens of robots and of people, with their last use, and the revocations in force, as the running server knows them'
complete -c portwarden -n "__fish_portwarden_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portwarden -n "__fish_portwarden_using_subcommand login" -l scope -d 'Scope of the token, as repository:team/*:pull,push (may be repeated, with the same actions); without it, pull from all repositories' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand login" -l lifetime -d 'Lifetime of the token, in whole days: 30d, 12w' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand login" -l comment -d 'Your own words about the token, to find it again [portwarden login on this machine]' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand login" -l ca-certificate -d 'Trust the authorities in this file (PEM) instead of the system\'s' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand login" -l print -d 'Print the token and write no file'
complete -c portwarden -n "__fish_portwarden_using_subcommand login" -l browser -d 'Open the page with xdg-open, too'
complete -c portwarden -n "__fish_portwarden_using_subcommand login" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand logout" -l ca-certificate -d 'Trust the authorities in this file (PEM) instead of the system\'s' -r -F
complete -c portwarden -n "__fish_portwarden_using_subcommand logout" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand credential-provider" -l issuer -d 'The name of the cluster under `workload_auth.issuers`, which is the user name of a login' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand credential-provider" -l registry -d 'A registry that may get the token, as images name it: registry.example or registry.example:8443 (may be repeated); without one, each that matchImages of the kubelet\'s configuration lets through' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand credential-provider" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand hash" -l cost -d 'The work factor: each step doubles the time of a guess, and of a login' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand hash" -l user -d 'Print the whole line for `users:`, with this name' -r
complete -c portwarden -n "__fish_portwarden_using_subcommand hash" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand completions" -s h -l help -d 'Print help'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "serve" -d 'Serve the registry'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "check" -d 'Check a configuration for errors and probable mistakes'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "explain" -d 'Show what an account may do, and by which rule'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "test-policy" -d 'Test the rules against a table of expectations, for use in CI'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "replay" -d 'Show what other rules would have done with the requests of an audit log: who gains, who loses, by which rule'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "unused" -d 'List the rules, and rights of them, that no request of an audit log used'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "freeze" -d 'Reject writes temporarily while the registry collects its garbage; pulls go on'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "thaw" -d 'Accept writes again'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "status" -d 'Show whether writes are accepted'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "untag" -d 'Delete tags, and leave the other tags on their manifests, on registry 2.8 too'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "tags" -d 'Look after write-once tags'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "prune" -d 'Delete the tags that retention does not keep, with the images that no other tag needs; without --apply, show them'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "activity" -d 'Show who pushed and pulled what last, and how often'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "revoke" -d 'Refuse tokens and sessions that were issued, from their next request on'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "token" -d 'Get a token from a registry, for scripts; `token new` makes one for a robot'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "login" -d 'Get a token for docker, podman and skopeo, once you allow it in a browser'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "logout" -d 'Remove a registry from docker\'s configuration, and revoke the token that stood there'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "credential-provider" -d 'Answer a kubelet: the token of a pod\'s service account as the credentials of an image'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "hash" -d 'Hash a password for `users:`, as `htpasswd -nB` does'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "completions" -d 'Print the completions of a shell'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and not __fish_seen_subcommand_from serve check explain test-policy replay unused freeze thaw status untag tags prune activity revoke token login logout credential-provider hash completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and __fish_seen_subcommand_from tags" -f -a "release" -d 'End the claim of a push whose answer was lost, so that another image can be pushed to the tag'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and __fish_seen_subcommand_from activity" -f -a "import" -d 'Add what an audit log tells of the time before activity was recorded; what is on record already counts once'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "new" -d 'Make a token for a robot, and the line for `robots:`; it is shown once and stored nowhere'
complete -c portwarden -n "__fish_portwarden_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "list" -d 'List the tokens of robots and of people, with their last use, and the revocations in force, as the running server knows them'
