# SPDX-License-Identifier: GPL-3.0-or-later
# Flatten a YAML or JSON document: one line "path<TAB>value" per scalar, path steps parted by "/", list items numbered.
# Values are written so that printf %b gives them back. Read: block and flow collections, plain, quoted and block (| >)
# scalars, comments. Not read: anchors, tags, several documents, plain scalars over several lines.

{ sub(/\r$/, ""); line[++lines] = $0 }

END {
    at = 1
    skip_blank()
    if (at <= lines) {
        if (text_of(line[at]) ~ /^[[{]/) flow("", line[at])
        else block(indent_of(line[at]), "")
    }
}

function indent_of(s) { match(s, /^ */); return RLENGTH }
function text_of(s) { sub(/^ */, "", s); return s }
function spaces(n, s) { while (n-- > 0) s = s " "; return s }
function below(path, key) { return path == "" ? key : path "/" key }

function skip_blank() {
    while (at <= lines && (line[at] ~ /^ *(#.*)?$/ || line[at] ~ /^---/)) at++
}

function put(path, value) {
    gsub(/\\/, "\\\\", value)
    gsub(/\n/, "\\n", value)
    gsub(/\t/, "\\t", value)
    gsub(bytes_mark, "\\0", value)
    print path "\t" value
}

BEGIN { bytes_mark = "\001" } # stands before the octal digits of a byte that \u made

# a block mapping or sequence whose lines begin at column `indent`
function block(indent, path,    item, text, rest) {
    if (text_of(line[at]) ~ /^-( |$)/) {
        for (item = 0; in_block(indent, 1); item++) {
            rest = substr(text_of(line[at]), 2)
            text = text_of(rest)
            if (is_entry(text) || text ~ /^-( |$)/) {
                # "- key: value" opens a mapping at the column of its key
                line[at] = spaces(indent + 1) rest
                block(indent_of(line[at]), below(path, item))
            } else value(text, indent, below(path, item), 0)
        }
    } else {
        while (in_block(indent, 0)) {
            text = text_of(line[at])
            if (is_entry(text)) {
                item = key_of(text)
                value(text_of(substr(text, key_length + 1)), indent, below(path, item), 1)
            } else at++ # not of the part of YAML that is read here
        }
    }
}

# does another line of this sequence (or of this mapping) follow?
function in_block(indent, sequence) {
    for (skip_blank(); at <= lines && indent_of(line[at]) > indent; skip_blank()) at++ # not read: a longer plain scalar
    return at <= lines && indent_of(line[at]) == indent && (text_of(line[at]) ~ /^-( |$)/) == sequence
}

function is_entry(text) { return text ~ /^("[^"]*"|'[^']*'|[^]"'#&*!|>%@`{}[,-][^:#]*|-[^ :#][^:#]*) *:( |$)/ }

function key_of(text,    key) {
    match(text, /^("[^"]*"|'[^']*'|[^:]*) *:/)
    key_length = RLENGTH
    key = substr(text, 1, RLENGTH - 1)
    sub(/ *$/, "", key)
    if (key ~ /^["']/) key = substr(key, 2, length(key) - 2)
    return key
}

# what stands behind a "key:" or a "-" of the line `at`, that begins at column `indent`
function value(rest, indent, path, in_mapping) {
    if (rest ~ /^(#|$)/) {
        at++
        skip_blank()
        if (at > lines) return
        if (indent_of(line[at]) > indent) {
            if (text_of(line[at]) ~ /^[[{]/) flow(path, line[at])
            else block(indent_of(line[at]), path)
        } else if (in_mapping && indent_of(line[at]) == indent && text_of(line[at]) ~ /^-( |$)/) block(indent, path)
    } else if (rest ~ /^[|>]/) literal(rest, indent, path)
    else if (rest ~ /^[[{"']/) flow(path, rest)
    else {
        at++
        sub(/[ \t]+#.*$/, "", rest)
        sub(/[ \t]+$/, "", rest)
        put(path, rest ~ /^(~|null)$/ ? "" : rest)
    }
}

# a block scalar: | keeps line ends, > folds them
function literal(mark, indent, path,    own, text, gap, folded) {
    own = -1
    for (at++; at <= lines; at++) {
        if (line[at] ~ /^ *$/) { gap = gap "\n"; continue }
        if (own < 0) own = indent_of(line[at])
        if (own <= indent || indent_of(line[at]) < own) break
        folded = mark ~ /^>/ && text != "" && gap == ""
        text = text (text == "" ? "" : folded ? " " : "\n") (mark ~ /^>/ && gap != "" ? substr(gap, 2) : gap)
        text = text substr(line[at], own + 1)
        gap = ""
    }
    put(path, text (mark ~ /-/ ? "" : "\n"))
}

# a flow collection or a quoted scalar: `text` is the rest of the line `at`, the following lines are taken as needed
function flow(path, text) {
    source = text
    flow_value(path)
    at++
}

function flow_next() { # the next character that means something
    while (1) {
        sub(/^[ \t]+/, "", source)
        if (source != "" && source !~ /^#/) return substr(source, 1, 1)
        if (at >= lines) return ""
        source = line[++at]
    }
}

function flow_value(path,    c, item, key) {
    c = flow_next()
    if (c == "[" || c == "{") {
        source = substr(source, 2)
        item = 0
        while ((c = flow_next()) != "" && c !~ /[]}]/) {
            if (c == ",") { source = substr(source, 2); continue }
            key = item++
            if (c == "{" || c == "[") { flow_value(below(path, key)); continue }
            c = flow_scalar()
            if (flow_next() == ":") {
                source = substr(source, 2)
                flow_value(below(path, c))
            } else put(below(path, key), c)
        }
        source = substr(source, 2)
    } else put(path, flow_scalar())
}

function flow_scalar(    c, text) {
    c = flow_next()
    if (c == "\"") return double_quoted()
    if (c == "'") return single_quoted()
    match(source, /^([^],:}]|:[^] ,}])*/)
    if (RLENGTH < 1) { source = substr(source, 2); return "" } # a stray mark: go on behind it
    text = substr(source, 1, RLENGTH)
    source = substr(source, RLENGTH + 1)
    sub(/[ \t]+$/, "", text)
    return text ~ /^(~|null)$/ ? "" : text
}

function single_quoted(    text) {
    source = substr(source, 2)
    while (match(source, /'/)) {
        text = text substr(source, 1, RSTART - 1)
        source = substr(source, RSTART + 1)
        if (source !~ /^'/) return text
        text = text "'"
        source = substr(source, 2)
    }
    return text source
}

function double_quoted(    text, c) {
    source = substr(source, 2)
    while (match(source, /["\\]/)) {
        text = text substr(source, 1, RSTART - 1)
        c = substr(source, RSTART, 1)
        source = substr(source, RSTART + 1)
        if (c == "\"") return text
        c = substr(source, 1, 1)
        source = substr(source, 2)
        if (c == "n") text = text "\n"
        else if (c == "t") text = text "\t"
        else if (c == "u") text = text unicode()
        else text = text c
    }
    return text source
}

# the four hex digits behind \u (and a second half, for characters beyond 16 bits) as UTF-8
function unicode(    code, low) {
    code = hex(substr(source, 1, 4))
    source = substr(source, 5)
    if (code >= 55296 && code < 56320 && source ~ /^\\u[dD][c-fC-F]/) {
        low = hex(substr(source, 3, 4))
        source = substr(source, 7)
        code = 65536 + (code - 55296) * 1024 + low - 56320
    }
    if (code < 128) return sprintf("%c", code)
    if (code < 2048) return byte(192 + int(code / 64)) byte(128 + code % 64)
    if (code < 65536) return byte(224 + int(code / 4096)) byte(128 + int(code / 64) % 64) byte(128 + code % 64)
    return byte(240 + int(code / 262144)) byte(128 + int(code / 4096) % 64) byte(128 + int(code / 64) % 64) byte(128 + code % 64)
}

function byte(n) { return bytes_mark sprintf("%03o", n) }

function hex(digits,    i, n) {
    n = 0
    for (i = 1; i <= length(digits); i++) n = n * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
    return n
}
