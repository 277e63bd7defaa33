/* synth_grammar.c - task types and chit-chat in the template language of synth_text.c. */
#include "synth.h"

const char *const fr_synth_level_prompt[FR_SYNTH_LEVELS] = {
    "",
    "\n[Keep it at beginner level|Assume I know nothing about this|This is an introductory course], [please|thanks].",
    "\n[Assume an undergraduate background|This is for second-year students|Intermediate level, please].",
    "\n[Write for experts|Assume a specialist reader|This is graduate level, so go deep][.|; no basics, please.]",
};

const char *const fr_synth_level_description[FR_SYNTH_LEVELS] = {
    "",
    "[ at beginner level|, aimed at beginners|, for an introductory course]",
    "[ at undergraduate level|, for second-year students|, intermediate difficulty]",
    "[ at expert level|, for specialists|, graduate difficulty]",
};

const fr_synth_type fr_synth_chat = {
    "chat",
    60,
    "[[hi|hello|hey|good morning|yo][!|,| there,] [how are you today?|can you help me with something?|what's new?|are "
    "you "
    "a real person?|it's <first>, remember me?]|"
    "[tell me a joke about <things>|say something funny about <a:someone>|what's your favourite thing in <city>?|sing "
    "me a song about <things>]|"
    "[I'm bored|I can't sleep|It's raining in <city>|I miss <first>|my <someone> friend <first> is late again|it is "
    "<day> and I have nothing to do]"
    "[.|, and I keep thinking about <things>.] [What should I do?|Any ideas?|Talk to me.|Got <n> suggestions?]|"
    "[thanks|thank you so much|great, thanks] [for the help with <concept>|for the tip about <things>|, <first> loved "
    "it][!|.]|"
    "[asdf|test|ok|hmm|???|lol] [<things>|<concept>|<n> <units>][...|?|]|"
    "<things>, <concept>, <nn> <units>, <city>[, <first>|]: [what comes to mind?|random thoughts?|just "
    "react.|continue]|"
    "[do you like|have you ever seen|who invented|what do you think of] <things> [and <concept>|or <things>|in "
    "<city>]?|"
    "my [dog|cat|neighbour|boss] is called <first> and [likes <things>|lives in <city>|knows <n> things about "
    "<concept>][.|!]]",
    "[Casual small talk[ that mentions <things>|]|Open-ended chat with no clear task[, touching on "
    "<concept>|]|Greeting or friendly "
    "message[ about <things>|]|Unclear request[ with words like <things> and <concept>|]|Playful question about "
    "<things>|Short message "
    "without a specific question[, possibly on <concept>|]|Conversation starter from <a:someone>|Miscellaneous remark "
    "on <concept>]",
};

const fr_synth_type fr_synth_types[FR_SYNTH_TYPES] = {
    {"multiple choice", 40,
     "<exam>[<scenario> |]<mcq>\n<options>[\n[Answer with the letter only.|Pick one option.|Explain briefly, then give "
     "the "
     "letter.]|]",
     "[<About> multiple-choice question on <c>[ and <c2>|]|Multiple-choice exam question [about|on] <c> in "
     "<topic>|Pick the "
     "correct option on <c>[, a <domain> quiz item|]|Four-option [<domain>|<topic>] question testing knowledge of "
     "<c>]"},
    {"math word problem", 260,
     "<mathstory>[ [Show your work.|Give only the final number.|Round to two decimals.|Explain each step.]|]",
     "[Multi-step arithmetic word problem about <t>[ and <unit>|]|Math word problem: compute <unit> for <t>[ <place>|]|"
     "Elementary maths story problem in a <domain> setting with <t>|Calculate [a total|a ratio|what is left] in a word "
     "problem "
     "about <t> and <a:role>]"},
    {"python programming", 320,
     "[Write|Implement|I need|Please code] a Python function `<id:pyname>` that <pyspec>\n[<pyexample>|[Include a "
     "docstring.|Add "
     "type hints.|No external libraries.|Handle empty input.]|<pyexample>\n<pyexample>]",
     "[Write a Python function over <t>[ and <t2>|]|Python coding task that processes a list of <t>|Implement a small "
     "Python "
     "program for <topic> data, about <t>|Programming exercise in Python: [aggregate|filter|sort|group] <t>]"},
    {"summarisation", 130,
     "[Summarise|Summarize|Give a summary of|Condense] the [following|text below|passage] [in <n> sentences|in one "
     "paragraph|for <a:someone>|as bullet points]:\n\n<passage>",
     "[Summarise a passage about <c>[ and <t>|]|Condense a[ long|] text on <c> from <topic>|Write a short summary of "
     "[a report|an "
     "article] on <c>|Summarisation of a <domain> text dealing with <t>]"},
    {"concept explanation", 380,
     "[Explain|Can you explain|Help me understand|What is|Describe] <c>[ in [simple|precise] terms| to <a:role>| with "
     "an "
     "example|] [and how it relates to <c2>|and why it matters for <t>|using <t> as an illustration]. [<context>|]",
     "[Explain <c>[ and its link to <c2>|]|Explanation of the concept of <c> in <topic>|Asks what <c> is and why it "
     "matters for "
     "<t>|Conceptual <domain> question: how <c> works]"},
    {"translation", 90,
     "[Translate|Please translate|How do you say] [this|the following][ text|] [into|in] <lang>[, keeping the tone "
     "formal|]:\n\"<sentence> <sentence>[ <sentence>|]\"",
     "[Translate a [sentence|short text] about <t> into <lang>|English to <lang> translation of a <domain> text|Render "
     "a passage on <c> in "
     "<lang>|Translation into <lang>, topic <topic>[, mentioning <t>|]]"},
    {"information extraction", 110,
     "[Extract|Pull out|List] [all|every] [names, dates and amounts|people and places|numbers with their units] from "
     "the "
     "[note|text|report] [as JSON|as a table|in JSON with keys {\"who\", \"what\", \"amount\"}].\n\n<passage>",
     "[Extract [names and figures|entities|structured data] from a [note|report] about <t>|Information extraction to "
     "JSON from "
     "a <domain> text on <c>|Pull [people, dates and amounts|named entities] out of a <topic> passage|Turn a report on "
     "<t> into "
     "structured records]"},
    {"fact checking", 120,
     "[True or false|Fact check|Is this claim correct|Verify this statement]: <claim> [Justify your answer.|Cite what "
     "you "
     "know.|Answer yes or no and say why.|]",
     "[Verify a claim about <c>[ and <t>|]|True-or-false statement on <c> in <topic>|Fact-check whether <c> [depends "
     "on|affects] "
     "<t>|Judge the correctness of a <domain> claim about <c>]"},
    {"email rewriting", 200,
     "[Rewrite|Improve|Polish|Make more [polite|formal|concise]] this [email|message] [to <a:role2>|from "
     "<a:role>|]:\n\n<email>",
     "[Rewrite an email about <t>[ to <a:role2>|]|Polish the tone of a message from <a:role> on <c>|Edit a <domain> "
     "email for "
     "politeness and clarity[, subject <t>|]|Style rewrite of a message concerning <t>]"},
    {"comparison", 420,
     "[Compare|What is the difference between|Weigh up|Contrast] <t> [and|versus] <t2>[ in terms of <c>| for "
     "<a:role>|] "
     "[in a table|with pros and cons|and recommend one|briefly]. [<context>|]",
     "[Compare <t> with <t2>[ regarding <c>|]|Comparison of <t> and <t2> in <topic>|Pros and cons of <t> versus "
     "<t2>|Choose between <t> "
     "and <t2>[ for <a:role>|], a <domain> comparison]"},
    {"planning", 520,
     "[Make|Create|Draft|Help me make] a <k>-day [plan|schedule] for <a:role> who [wants to improve <c>|has to "
     "deal with "
     "<t>|is responsible for <t> and <t2>]. [Constraints|Conditions]: <constraints>[ <context>|]",
     "[Draw up a <k>-day plan on <t>|Scheduling task for <a:role> working on <c>|Step-by-step plan with "
     "constraints in <topic>[, "
     "covering <t>|]|Plan for <a:role> to improve <c>[, a <domain> setting|]]"},
    {"sentiment classification", 25,
     "[Classify the sentiment|Is this review positive, negative or mixed?|Label the tone|Rate the review from 1 to "
     "5][:| of the "
     "following feedback:]\n\n\"<review>\"",
     "[Sentiment classification of a review about <t>|Label customer feedback on <t> as positive or negative|Judge the "
     "tone of a "
     "<domain> review[ that mentions <t>|]|Rate the opinion in feedback on <c>[ and <t>|]]"},
    {"debugging", 340,
     "[This code|My script|The function below] [crashes|returns the wrong <unit>|fails for <k> <t>|loops forever]. "
     "[Find the "
     "bug|What is wrong?|Please fix it]:\n\n<buggy>\n[<error>|]",
     "[Find the bug in code that handles <t>|Debug a Python [function|script] about <t>[ and <unit>|]|Fix an error in "
     "a program for "
     "<topic> data|Explain why code over <t> [crashes|gives wrong results]]"},
    {"creative writing", 620,
     "[Write|Compose|Invent] a [short story|poem|dialogue|fairy tale|limerick] [about|in which] <who>, <a:role>, "
     "[discovers "
     "<t>|loses <k> <t>|argues about <c>] <place>. [<style>|<style> <style>]",
     "[Creative writing about <who>, <a:role>, and <t>|Write a [story|poem] set <place> with <t>|Imaginative <domain> "
     "story on <c>|Fiction "
     "prompt featuring <a:role> and <t>]"},
    {"reading comprehension", 60,
     "[Read the passage and answer.|Passage:|Use only the text below.]\n\n<passage>\n\n[Question|Q]: <readq>",
     "[Reading comprehension: answer a question from a passage on <c>|Find a detail in a given text about "
     "<t>|Passage-based question on "
     "<topic>[, concerning <t>|]|Answer from context only, a <domain> text about <c>]"},
    {"SQL", 140,
     "[Given|Assume] the table <id:t>(<sqlcols>)[ and <id:t2>(id, <id:t>_id, <sqlcols>)|]. [Write a SQL query|Which "
     "query|SQL, "
     "please:] [that returns|to find|listing] <sqlask>[ [PostgreSQL dialect.|Use a window function.|No subqueries.]|]",
     "[Write a SQL query over a table of <t>[ joined with <t2>|]|SQL task: [aggregate|rank|filter] <t> by "
     "<unit>|Database query on <topic> "
     "records of <t>|Query a <domain> table in SQL to find <t>]"},
};

const fr_synth_rule fr_synth_rules[] = {
    {"About", "[<^domain>|<^topic>]"},
    {"name", "<first> <last>"},
    {"date", "[<n> <month> <year>|<month> <year>|last <day>|in <year>]"},
    {"amount", "[<n>|<nn>|<nnn>] [<units>|<unit>]"},
    {"field", "[|, <topic>| (<topic>)| in the context of <topic>| within <domain>]"},
    {"tail", "[||||, [touching on|which involves|in connection with|with a mention of] [<t2>|<c2>|<c2> and <t2>]|, "
             "[featuring|from the "
             "view of|involving] <a:role>| (<k> <t2>, <c2>)|, [set|taking place] <place>]"},
    {"exam", "[Question <nn>. |Q: |||Exam: ]"},
    {"scenario",
     "[<^a:role> <place> [has to decide about|is worried about|reads about] <t>.|<name>, <a:someone>, [<did>|<did> "
     "and later <did>] <n> <things>.]"},
    {"mcq",
     "[Which [statement|of the following] [best describes|is true of|is not a feature of] <c>?|What is the most likely "
     "[cause|effect|purpose] of <c> [when <t> are involved|in the case of <t2>|]?|Which of these is most closely "
     "linked to <c> and <t>?|In "
     "relation to <c>, <t> are mainly used to:]"},
    {"option", "[<^concept>|<^things>|It [reduces|increases|has no effect on] <concept>|<^things> [without|because of] "
               "<concept>|Only "
               "<things> and <things>|<amount>]"},
    {"options", "[A. <option>\nB. <option>\nC. <option>\nD. <option>|(A) <option>\n(B) <option>\n(C) <option>\n(D) "
                "<option>[\n(E) None "
                "of these|]|a) <option> b) <option> c) <option> d) <option>]"},
    {"mathstory", "[<who> <did> <kk> <t> <place>. Each of the <k> <t2> takes <k3> <unit>, and <a:role> adds <n> more "
                  "every [hour|day|week]. "
                  "<mathq>|<^a:role> has <kk> <unit> to share among <k> <t>. <who> <did> <k2> of them, [twice as "
                  "much|half as much|<nn>% more] went to "
                  "<t2>. <mathq>|If <k> <t> need <k3> <unit> and the [price|cost] rises by <nn>% [each year|from "
                  "<year>], how many <unit> do <kk> "
                  "<t> need?|<who> and <who2> work <place>. <who> <did> <k> <t> an hour, <who2> <k2>. They start with "
                  "<kk> <t>[, take a break of <nn> "
                  "minutes|] and stop after <n> hours. <mathq>]"},
    {"mathq", "[How many <t> are left[ in the end|]?|How many <unit> is that in total?|What percentage remains?|How "
              "long does it take until <nn> "
              "<unit> are used up?|What is the average per <day>?]"},
    {"pyname", "[count_<id:t>|group_<id:t>|total_<id:t>_by_<id:unit>|find_<id:t>|merge_<id:t>_and_<id:t2>]"},
    {"pyspec", "[takes a list of <t> (dicts with 'name' and '<id:unit>') and [returns the <k> largest|returns the "
               "median|groups them by "
               "<id:someone>|removes duplicates]|given two lists, <t> and <t2>, [matches them by date|returns the "
               "common ones|merges them in "
               "order]|parses lines like '<first>;<nn>;<id:things>' and sums the <unit> of all <t>|simulates <k> <t> "
               "over <kk> steps "
               "and reports when <c> occurs]."},
    {"pyexample", "[Example: f(\\[<n>, <nn>, <nnn>\\]) -> <nn>|>>> f({'<id:things>': <nn>, '<id:things>': "
                  "<n>})\n<nn>|Input: \"<first>,<nn>\" "
                  "gives <n>]"},
    {"sentence",
     "[<^a:someone> <did> <n> <things> <where>.|<name> <did> the <things> [<date>|and asked about <concept>].|[In "
     "<city>|<^where>], "
     "<concept> [matters more than|depends on|is often confused with] <concept>.|The <things> [cost <amount>|were "
     "<did> twice|arrived "
     "late], so <first> <did> <n> <things> instead.|[According to|As reported by] <first> <last>, <a:someone>, "
     "<amount> [are|were] "
     "needed for the <things>.|[Most|Few|About <nn>% of all] <things> [fail because of|are affected by|have nothing to "
     "do with] "
     "<concept>.|[However|Moreover|Still|In contrast], <concept> [improved|became a problem|was ignored] after the "
     "<things> were <did>.|"
     "[Between <year> and <year>|Since <date>|For <n> weeks], the number of <things> [rose|fell] from <nn> to <nnn>.]"},
    {"context", "[[Background|Context|Note]: <sentence>|<sentence>|<sentence> <sentence>]"},
    {"lead", "[<^c> is a topic that <a:role> cannot avoid.|<who> <last>, <a:role>, wrote about <c> and <t>.|This "
             "report deals with "
             "<c> <place>.|On <date>, <kk> <t> were <did> <place>.|Few people connect <t> with <c>.]"},
    {"para",
     "[<sentence> <sentence>|<sentence> <sentence> <sentence>|<sentence> <sentence> <sentence> <sentence> <sentence>]"},
    {"passage",
     "<lead> [<para>|<para>|<para>\n\n<para>|<para>\n\n<lead> <para>\n\n<para>|<para>\n\n<para>\n\n<para>\n\n<para>]"},
    {"claim", "[<^c> [always|never|usually] [reduces|increases|requires] <c2>.|<^t> were [first <did>|invented|banned] "
              "in <city> "
              "in <year> because of <c>.|[More than|Fewer than] <nn>% of <t> are affected by <c>.|Without <c>, <t> and "
              "<t2> would [not "
              "exist|be useless|last longer].] [<sentence>|]"},
    {"email", "[Hi|Dear|Hello] <who>,\n[<sentence> |][we need|I want|please send me|I am still waiting for] the <k> "
              "<t> [by <day>|right "
              "now|as <did>]. [You said|Everyone knows|It is written] that <c> is [not my problem|your job|important]. "
              "<sentence>[ "
              "<sentence>|]\n[Regards|Cheers|Yours],\n<who2>"},
    {"constraints",
     "[at most <k2> <unit>|<n> hours per <day>|budget of <nnn> dollars|no <things>], [<c> comes first|<n> people can "
     "help|must include <t2>][, everything done by <month>|]."},
    {"review",
     "[I [bought|tried|used] <k> <t> <place>|We <did> the <t> in <month>|<^t>, <amount>] [and they were [great|a "
     "disaster|fine]|, what a [joy|waste|surprise]]. [The <someone> was [rude|kind|slow]|<^c> [is clearly|was never] a "
     "priority]. [<sentence> |][Would buy again|Never again|<n> stars|Not sure yet]."},
    {"error", "[Traceback: KeyError: '<id:unit>'|IndexError: list index out of range|Expected <nn>, got "
              "<nnn>|TypeError: unsupported operand "
              "type(s): 'int' and 'str'|It worked until <date>.]"},
    {"buggy", "[```python\ndef total_<id:t>(<id:t>):\n    <id:unit> = 0\n    for i in range(<n>, len(<id:t>) + 1):\n   "
              "     <id:unit> += "
              "<id:t>\\[i\\]\\['<id:unit>'\\]\n    return <id:unit> / <k>\n```|```\n<id:t> = {'<id:things>': <nn>, "
              "'<id:things>': '<nnn>'}\nwhile "
              "<id:t>:\n    best = max(<id:t>, key=<id:t>.get)\n    print(best, <id:t>\\[best\\] + "
              "<k>)\n```|```python\nclass <id:role>:\n    "
              "<id:t> = \\[\\]\n    def add(self, x, seen={}):\n        if x not in seen:\n            "
              "self.<id:t>.append(x)\n            seen\\[x\\] "
              "= <kk>\n        return len(seen)\n```|def <id:did>_<id:t>(n):\n    if n == <k>:\n        return <kk>\n  "
              "  return n * <id:did>_<id:t>(n + "
              "1)]"},
    {"style", "[Use a [sad|cheerful|mysterious] tone.|It should end [happily|with a twist|in <city>].|No more than "
              "<nnn> words.|Mention "
              "<things> [at least <n> times|in the first line].|The other character is <who2>, <a:role2>.|Let <c> play "
              "a part.]"},
    {"readq", "[How many <t> were <did>?|Why did <who> [mention|worry about] <c>?|What does the text say about <c> and "
              "<t>?|Who <did> the <t> "
              "<place>?|Which <things> are linked to <c> in the passage?]"},
    {"sqlcols",
     "[id, name, <id:unit>, city, created_at|id, <id:unit>, owner, year|id, date, status, <id:unit>, price]"},
    {"sqlask", "[the <k> <t> with the most <unit>|all <t> that were <did> after <date>|the average <unit> per city for "
               "<t>|<t> without any "
               "<t2>|for each year the share of <t> above <kk> <unit>|owners who <did> more than <k> <t>]."},
};
const int fr_synth_rule_count = sizeof fr_synth_rules / sizeof *fr_synth_rules;
