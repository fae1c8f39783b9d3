"""What no label of the pack holds."""

import re

RUDE = re.compile(
    r"fuck|shit|nigg|\b(rapes?|rapists?|nazis?|hitlers?|whores?|bitch|cunts?|sluts?|puss(y|ies)|tits?|spics?|fags?)\b",
    re.IGNORECASE,
)
"""In any label: slurs and obscenities."""
UNWELCOME = re.compile(
    r"^(.*(sex|rape|slave|nude|naked|breast|genital|penis|vagina|semen|incest|impoten|frigid|nymphom|molest|ghetto|"
    r"suicid|murder|cripp|idiot|imbecil|moron|retard|lunatic|cancer|feces|urin|drug|heroin|cocaine|addict|terror|tortur|"
    r"genocid|massacr|fasc|holocaust|prostitut|abortion|pervert|porn|erot|bastard|virgin|castrat|brothel|vomit|rectum|"
    r"testic|jew|juda|semit|zion|islam|muslim|moslem|hindu|buddh|catholic|protestant|baptist|methodis|christian|mormon|"
    r"gypsy|indian|arab|african|asian|oriental|negro).*|ass|abo|jap|coon|pimp|prick|tit|goddamn?|dyke|anus|anal|cock|dick|hell|damn|gay|queer|colored|spade)$"
)
"""Words of which no title is invented: beside the rude ones what only a person would join with taste."""
