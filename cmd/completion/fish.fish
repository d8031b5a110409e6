# fish completion for NAME: it asks `NAME __complete`.

function __NAME_complete
    set -l done (commandline -opc)
    set -l last (commandline -ct | string unescape)
    set -l out ($done[1] __complete $done[2..-1] "$last" 2>/dev/null)
    test (count $out) -gt 0; or return 1
    set -l how (string replace ':' '' -- $out[-1])
    set -e out[-1]
    if test (count $out) -gt 0
        printf '%s\n' $out
    else if test (math "floor($how / 4) % 2") -eq 0
        __fish_complete_path (string replace -r '^-[^=]*=' '' -- $last)
    end
end

complete -c NAME -e
complete -c NAME -f -a '(__NAME_complete)'
