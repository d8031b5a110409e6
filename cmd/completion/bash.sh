# bash completion for NAME: it asks `NAME __complete`.

_NAME_complete() {
	COMPREPLY=()
	local line=${COMP_LINE:0:COMP_POINT} rest word i
	local -a words=()
	# Bash takes words apart at = and :, here they are put together again.
	rest=$line
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then
			rest=${rest#"${rest%%[![:space:]]*}"}
			words+=("")
		fi
		((i == COMP_CWORD)) && word=$rest
		words[${#words[@]} - 1]+=$word
		rest=${rest#"$word"}
	done
	for i in "${!words[@]}"; do
		word=${words[i]}
		word=${word//[\"\']/}
		words[i]=${word//\\/}
	done
	local last=${words[${#words[@]} - 1]} out how cut
	out=$("${words[0]}" __complete "${words[@]:1}" 2>/dev/null) || return
	how=${out##*:}
	out=${out%:*}
	cut=
	[[ $last == *[=:]* ]] && cut=${last%"${last##*[=:]}"}
	while IFS= read -r word; do
		word=${word%%$'\t'*}
		[[ -n $word ]] && COMPREPLY+=("${word#"$cut"}")
	done <<<"$out"
	if ((how & 2)); then
		compopt -o nospace 2>/dev/null
	elif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:,] ]]; then
		compopt -o nospace 2>/dev/null
	fi
	if ((!(how & 4) && ${#COMPREPLY[@]} == 0)); then
		compopt -o filenames 2>/dev/null
		while IFS= read -r word; do
			COMPREPLY+=("$word")
		done < <(compgen -f -- "${last##*[=:]}")
	fi
}

complete -F _NAME_complete NAME
