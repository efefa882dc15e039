// lm completion: the script by which a shell completes commands and flags, asking lm itself for them.
import process from 'node:process';
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';

// Where lm knows nothing to add, files are completed.
const scripts: Readonly<Record<string, string>> = {
  bash: `# lm: completion for bash. Add it to ~/.bashrc:  source <(lm completion bash)
_lm_complete() {
  local word="\${COMP_WORDS[COMP_CWORD]}" found
  found="$(SHELL=bash "$1" --get-yargs-completions "\${COMP_WORDS[@]}" 2>/dev/null)"
  mapfile -t COMPREPLY < <(compgen -W "$found" -- "$word")
}
complete -o bashdefault -o default -F _lm_complete lm ./lm
`,
  zsh: `#compdef lm
# lm: completion for zsh. Add it to ~/.zshrc, after compinit:  source <(lm completion zsh)
_lm_complete() {
  local -a found
  found=(\${(f)"$(SHELL=zsh "\${words[1]}" --get-yargs-completions "\${words[@]}" 2>/dev/null)"})
  if (( \${#found} )); then _describe lm found; else _files; fi
}
compdef _lm_complete lm
`,
};

/** `lm completion`. */
export const completion: Command<{ readonly shell?: string }> = {
  positionals: { shell: { type: 'string', describe: 'bash or zsh; the one in use unless given' } },
  flags: {},
  examples: [
    ['completion bash >> ~/.bashrc', 'for every bash from now on'],
    ['completion zsh >> ~/.zshrc', 'for every zsh from now on'],
  ],
  async run({ shell }, io) {
    const used = shell ?? (/\bzsh$/.test(process.env['SHELL'] ?? '') ? 'zsh' : 'bash');
    if (!Object.hasOwn(scripts, used)) {
      const meant = nearest(used, Object.keys(scripts));
      throw usage(`no completion for ${used}${meant ? `; did you mean ${meant}?` : ''}`, 'lm completion bash, or zsh');
    }
    await io.write(scripts[used]!);
  },
};
