#compdef NAME
# zsh completion for NAME: it asks `NAME __complete`.

_NAME() {
	local out how line word about
	local -a lines plain described options
	out=$("${words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null) || return 1
	lines=("${(@f)out}")
	how=${lines[-1]#:}
	lines[-1]=()
	[[ ${words[CURRENT]} == -*=* ]] && compset -P '*='
	for line in "${lines[@]}"; do
		[[ -n $line ]] || continue
		word=${line%%$'\t'*}
		about=
		[[ $line == *$'\t'* ]] && about=${line#*$'\t'}
		[[ ${words[CURRENT]} == -*=* ]] && word=${word#*=}
		plain+=("$word")
		described+=("$word${about:+  -- $about}")
	done
	((how & 2)) && options=(-S '')
	[[ ${#plain} == 1 && ${plain[1]} == *[=:,] ]] && options=(-S '')
	if ((${#plain})); then
		compadd "${options[@]}" -l -d described -a plain
	elif ((!(how & 4))); then
		_files
	else
		return 1
	fi
}

if [[ ${funcstack[1]} == _NAME ]]; then
	_NAME "$@"
else
	compdef _NAME NAME
fi
