#compdef myelin
# Completion of myelin for zsh; see the one for bash.
_myelin()
{
	local line
	local -a offered

	for line in ${(f)"$($words[1] complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
		case $line in
		@file) _files ;;
		@directory) _files -/ ;;
		@command) _command_names -e ;;
		*) offered+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
		esac
	done
	(( $#offered )) && _describe -V myelin offered
}
_myelin "$@"
