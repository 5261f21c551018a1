#include "completions.hpp"

#include "invocation.hpp"
#include "option_table.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

/// Options behind which the next word is no command's name.
std::vector<std::string> general_words_with_value()
{
    std::vector<std::string> words;
    for (const OptionRow& row : global_options()) {
        if (row.is_flag()) {
            continue;
        }
        words.push_back("--" + row.key);
        if (row.letter != '\0') {
            words.push_back(std::string("-") + row.letter);
        }
    }
    return words;
}

std::string single_quoted(const std::string& text)
{
    std::string out;
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out;
}

std::string completions_bash()
{
    const std::string with_value = joined(general_words_with_value(), "|");
    std::string out = "# bash completion for backstay\n_backstay() {\n    local "
                      "word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
                      "command=\n    local i\n"
                      "    for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${COMP_WORDS[i]} "
                      "in\n            " +
                      with_value +
                      ") ((i++)) ;;\n            -*) ;;\n"
                      "            *) command=${COMP_WORDS[i]}; break ;;\n        esac\n    done\n "
                      "   case $command in\n";
    std::string names;
    std::string choices;
    const auto add_choices = [&choices](const std::string& command, const OptionRow& row) {
        if (!row.choices.empty()) {
            choices += fmt::format("        {}:--{}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); "
                                   "return ;;\n",
                                   command, row.key, joined(row.choices, " "));
        }
    };
    std::string general;
    for (const OptionRow& row : global_options()) {
        general += "--" + row.key + " ";
        add_choices("*", row);
    }
    for (const Command& command : commands()) {
        if (command.hidden) {
            continue;
        }
        names += std::string(command.name) + " ";
        std::string options;
        for (const OptionRow& row : options_of(command)) {
            options += "--" + row.key + " ";
            add_choices(command.name, row);
        }
        out += fmt::format("        {}) COMPREPLY=($(compgen -W '{}{}--help' -- \"$word\")) ;;\n",
                           command.name, options, general);
    }
    out +=
        fmt::format("        help) COMPREPLY=($(compgen -W '{0}' -- \"$word\")); return ;;\n"
                    "        '') COMPREPLY=($(compgen -W '{0}{1}help' -- \"$word\")) ;;\n    esac\n"
                    "    case $command:$before in\n{2}    esac\n",
                    names, general, choices);
    return out + "    [[ $word == -* || -z $command ]] || COMPREPLY+=($(compgen -f -- "
                 "\"$word\"))\n}\ncomplete -o filenames -F _backstay backstay\n";
}

std::string zsh_option(const OptionRow& row)
{
    std::string help = single_quoted(row.help);
    for (const char* special : {"[", "]", ":"}) {
        for (std::size_t at = help.find(special); at != std::string::npos;
             at = help.find(special, at + 2)) {
            help.insert(at, "\\");
        }
    }
    const std::string value = row.is_flag()         ? ""
                              : row.choices.empty() ? ":value:_files"
                                                    : ":value:(" + joined(row.choices, " ") + ")";
    // An optional one stands behind '=' alone.
    const std::string spelled = row.key + (row.optional_value ? "=-" : "");
    const std::string optional = row.optional_value ? ":" : "";
    const std::string told = "[" + help + "]" + optional + value;
    const std::string repeated = row.repeatable ? "*" : "";
    std::string out = fmt::format(" '{}--{}{}'", repeated, spelled, told);
    if (row.letter != '\0') {
        out += fmt::format(" '{}-{}{}'", repeated, row.letter, told);
    }
    return out;
}

std::string completions_zsh()
{
    std::string out = "#compdef backstay\n_backstay() {\n"
                      "    local context state state_descr line\n    typeset -A opt_args\n"
                      "    local -a general commands\n    general=(";
    for (const OptionRow& row : global_options()) {
        out += zsh_option(row);
    }
    out += ")\n    commands=(\n";
    std::string cases;
    for (const Command& command : commands()) {
        if (command.hidden) {
            continue;
        }
        out += fmt::format("        '{}:{}'\n", command.name, single_quoted(command.summary));
        cases += fmt::format("            {}) _arguments $general", command.name);
        for (const OptionRow& row : options_of(command)) {
            cases += zsh_option(row);
        }
        cases += " '*:file:_files' ;;\n";
    }
    out += "        'help:Tell about a command'\n    )\n"
           "    _arguments -C $general ':command:->command' '*::argument:->argument'\n"
           "    case $state in\n        command) _describe command commands ;;\n"
           "        argument) case $words[1] in\n"
           "            help) _describe command commands ;;\n";
    return out + cases + "        esac ;;\n    esac\n}\n_backstay \"$@\"\n";
}

std::string fish_option(const OptionRow& row)
{
    const std::string letter = row.letter != '\0' ? fmt::format(" -s {}", row.letter) : "";
    const std::string value = row.is_flag() || row.optional_value ? ""
                              : row.choices.empty()
                                  ? " -r"
                                  : fmt::format(" -x -a '{}'", joined(row.choices, " "));
    return fmt::format("-l {}{}{} -d '{}'\n", row.key, letter, value, single_quoted(row.help));
}

std::string completions_fish()
{
    std::string out = fmt::format("# fish completion for backstay\n"
                                  "function __backstay_command\n"
                                  "    set -l words (commandline -opc)\n"
                                  "    set -l at 2\n"
                                  "    while test $at -le (count $words)\n"
                                  "        switch $words[$at]\n"
                                  "            case {}\n                set at (math $at + 1)\n"
                                  "            case '-*'\n"
                                  "            case '*'\n                echo $words[$at]\n"
                                  "                return\n"
                                  "        end\n        set at (math $at + 1)\n    end\nend\n",
                                  joined(general_words_with_value(), " "));
    for (const OptionRow& row : global_options()) {
        out += "complete -c backstay " + fish_option(row);
    }
    const std::string first = "-n 'test (count (__backstay_command)) -eq 0' -f -a";
    const std::string behind_help = "-n 'contains help (__backstay_command)' -f -a";
    for (const Command& command : commands()) {
        if (command.hidden) {
            continue;
        }
        for (const std::string& where : {first, behind_help}) {
            out += fmt::format("complete -c backstay {} {} -d '{}'\n", where, command.name,
                               single_quoted(command.summary));
        }
        for (const OptionRow& row : options_of(command)) {
            out += fmt::format("complete -c backstay -n 'contains {} (__backstay_command)' {}",
                               command.name, fish_option(row));
        }
    }
    return out + fmt::format("complete -c backstay {} help -d 'Tell about a command'\n", first);
}

} // namespace

std::string completions_for(const std::string& shell)
{
    if (shell == "bash") {
        return completions_bash();
    }
    if (shell == "zsh") {
        return completions_zsh();
    }
    if (shell == "fish") {
        return completions_fish();
    }
    throw UsageError("there are no completions for '" + printable(shell) +
                     "': bash, zsh and fish have some");
}

} // namespace command
