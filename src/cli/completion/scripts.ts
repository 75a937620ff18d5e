/** The shells that can be taught. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/**
 * What a shell evaluates to complete command lines of Berth. Each asks `berth __complete`, whose lines are a value, a
 * tab and a description; or `:files` or `:folders`, where the shell knows what there is.
 */
export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# berth completion bash
_berth() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} words word start value description
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  word=\${words[\${#words[@]}-1]}
  # Bash replaces only what stands behind the last = or : of the word.
  start=\${word%"\${word##*[:=]}"}
  COMPREPLY=()
  while IFS=$'\\t' read -r value description; do
    case $value in
      :files | :folders)
        compopt -o filenames 2> /dev/null
        [[ $value == :files ]] && value=-f || value=-d
        while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen $value -- "\${word#"$start"}")
        ;;
      *) COMPREPLY+=("\${value#"$start"}") ;;
    esac
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2> /dev/null)
}
complete -F _berth berth
`,
  zsh: `#compdef berth
# berth completion zsh
_berth() {
  local line
  local -a candidates
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT-1]}" "$PREFIX" 2> /dev/null)}"; do
    case $line in
      "") ;;
      :files) compset -P '*='; _files ;;
      :folders) compset -P '*='; _files -/ ;;
      *$'\\t'*) candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
      *) candidates+=("\${line//:/\\\\:}") ;;
    esac
  done
  (( \${#candidates} )) && _describe -V berth candidates
}
if [[ $funcstack[1] == _berth ]]; then _berth "$@"; else compdef _berth berth; fi
`,
  fish: `# berth completion fish
function __berth_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (string replace -r '^--[^=]*=' '' -- $words[-1])
            case :folders
                __fish_complete_directories (string replace -r '^--[^=]*=' '' -- $words[-1]) ''
            case '*'
                echo $line
        end
    end
end
complete -c berth -f -a '(__berth_complete)'
`,
};
