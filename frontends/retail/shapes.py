"""Drawings of what the shop sells: flat shapes on a board of 320 × 320, in the colours they are given.

`{b}` is the body's colour, `{d}` its shade, `{l}` its light, `{a}` the accent, `{p}` paper.
"""

from __future__ import annotations

SHAPES: dict[str, str] = {
    "tin": """<path fill="{b}" d="M104 118h112v118q0 14-14 14h-84q-14 0-14-14z"/><path fill="{d}" d="M176 118h40v118q0 14-14 14h-26z"/>
<rect x="98" y="92" width="124" height="32" rx="9" fill="{l}"/><rect x="104" y="150" width="112" height="62" fill="{p}"/>
<path fill="none" stroke="{a}" stroke-width="5" stroke-linecap="round" d="M160 200v-34m0 18c-14 0-20-8-20-18 14 0 20 8 20 18zm0-6c0-12 7-19 20-19 0 12-7 19-20 19z"/>""",
    "teabag": """<path fill="none" stroke="{d}" stroke-width="4" d="M160 148C160 96 206 118 206 82"/><rect x="186" y="58" width="42" height="36" rx="5" fill="{a}"/>
<path fill="{p}" d="M118 150l42-20 42 20v92q0 8-8 8h-68q-8 0-8-8z"/><path fill="{b}" d="M126 186h68v52q0 4-4 4h-60q-4 0-4-4z"/><path fill="{l}" d="M118 150l42-20 42 20-42 12z"/>
<circle cx="146" cy="210" r="4" fill="{l}"/><circle cx="164" cy="222" r="4" fill="{l}"/><circle cx="176" cy="204" r="4" fill="{l}"/>""",
    "cake": """<ellipse cx="160" cy="196" rx="92" ry="46" fill="{d}"/><ellipse cx="160" cy="178" rx="92" ry="46" fill="{b}"/><ellipse cx="160" cy="174" rx="62" ry="29" fill="{p}"/>
<ellipse cx="160" cy="174" rx="40" ry="18" fill="none" stroke="{a}" stroke-width="4"/><path stroke="{a}" stroke-width="5" stroke-linecap="round" d="M146 174h28M160 165v18"/>""",
    "pouch": """<path fill="{b}" d="M106 98h108l10 140q0 12-12 12H108q-12 0-12-12z"/><path fill="{d}" d="M176 98h38l10 140q0 12-12 12h-30z"/><path fill="{l}" d="M106 98h108l-3-24q0-6-6-6h-90q-6 0-6 6z"/>
<circle cx="160" cy="172" r="38" fill="{p}"/><ellipse cx="160" cy="172" rx="15" ry="23" fill="{a}" transform="rotate(32 160 172)"/><path fill="none" stroke="{p}" stroke-width="4" stroke-linecap="round" d="M150 188c10-8 8-22 20-31"/>""",
    "bottle": """<path fill="{b}" d="M142 62h36v44c0 16 26 26 26 56v74q0 14-14 14h-60q-14 0-14-14v-74c0-30 26-40 26-56z"/><path fill="{d}" d="M166 62h12v44c0 16 26 26 26 56v74q0 14-14 14h-24z"/>
<rect x="136" y="46" width="48" height="24" rx="6" fill="{a}"/><rect x="116" y="166" width="88" height="56" fill="{p}"/><path fill="{a}" d="M160 176c12 14 16 20 16 26a16 16 0 0 1-32 0c0-6 4-12 16-26z"/>""",
    "carton": """<path fill="{p}" d="M112 126h96v112q0 12-12 12h-72q-12 0-12-12z"/><path fill="{l}" d="M170 126h38v112q0 12-12 12h-26z"/><path fill="{b}" d="M112 126l20-44h56l20 44z"/><path fill="{d}" d="M132 82h56v-18q0-4-4-4h-48q-4 0-4 4z"/>
<path fill="{b}" d="M112 190q24-20 48 0t48 0v48q0 12-12 12h-72q-12 0-12-12z"/><circle cx="160" cy="158" r="15" fill="{a}"/>""",
    "sack": """<path fill="{b}" d="M100 108q60 18 120 0 22 66 8 128-4 14-18 14H110q-14 0-18-14-14-62 8-128z"/><path fill="{d}" d="M186 114q20-2 34-6 22 66 8 128-4 14-18 14h-26q16-70 2-136z"/>
<path fill="{l}" d="M104 74q56 14 112 0 8 20 4 34-60 18-120 0-4-14 4-34z"/><circle cx="158" cy="184" r="38" fill="{p}"/>
<path fill="none" stroke="{a}" stroke-width="5" stroke-linecap="round" d="M158 208v-42m0 14l-14-11m14 11l14-11m-14 27l-14-11m14 11l14-11"/>""",
    "bowl": """<path fill="none" stroke="{a}" stroke-width="9" stroke-linecap="round" d="M196 70l-30 100M222 82l-44 92"/><path fill="{p}" d="M88 168q12-42 72-42t72 42z"/>
<path fill="none" stroke="{a}" stroke-width="6" stroke-linecap="round" d="M108 160q14-26 34-12t34-4 34 14"/><path fill="{b}" d="M76 166h168q0 62-54 80h-60q-54-18-54-80z"/><path fill="{d}" d="M190 166h54q0 62-54 80h-30q30-24 30-80z"/><rect x="128" y="242" width="64" height="12" rx="6" fill="{d}"/>""",
    "nuts": """<circle cx="128" cy="142" r="24" fill="{a}"/><circle cx="176" cy="132" r="26" fill="{l}"/><circle cx="206" cy="154" r="22" fill="{a}"/><circle cx="154" cy="154" r="22" fill="{d}"/><path stroke="{p}" stroke-width="4" stroke-linecap="round" d="M166 118q12 6 20 2M118 132q8 8 18 6"/>
<path fill="{b}" d="M76 162h168q0 66-54 84h-60q-54-18-54-84z"/><path fill="{d}" d="M196 162h48q0 66-54 84h-34q40-24 40-84z"/>""",
    "packet": """<path fill="{b}" d="M104 84l8-10 8 10 8-10 8 10 8-10 8 10 8-10 8 10 8-10 8 10 8-10 8 10 8-10 8 10v150l-8 10-8-10-8 10-8-10-8 10-8-10-8 10-8-10-8 10-8-10-8 10-8-10-8 10-8-10z"/>
<path fill="{d}" d="M180 84l4-10 8 10 8-10 8 10 8-10v160l-8-10-8 10-8-10-8 10-4-10z"/><ellipse cx="160" cy="160" rx="44" ry="36" fill="{p}"/><path fill="none" stroke="{a}" stroke-width="7" stroke-linecap="round" d="M130 150q30-16 60 0M134 168q26 14 52 0"/>""",
    "sweets": """<circle cx="130" cy="186" r="46" fill="{b}"/><circle cx="130" cy="186" r="30" fill="{l}"/><circle cx="130" cy="186" r="14" fill="{a}"/><circle cx="198" cy="172" r="40" fill="{d}"/><circle cx="198" cy="172" r="26" fill="{l}"/><circle cx="198" cy="172" r="12" fill="{a}"/>
<circle cx="164" cy="122" r="36" fill="{b}"/><circle cx="164" cy="122" r="23" fill="{p}"/><circle cx="164" cy="122" r="10" fill="{a}"/>""",
    "fruit": """<circle cx="126" cy="190" r="54" fill="{b}"/><path fill="{d}" d="M126 136a54 54 0 0 1 0 108q44-48 0-108z"/><circle cx="204" cy="198" r="46" fill="{a}"/><path fill="{l}" d="M186 178q8-14 22-14-14 6-22 14zM104 164q10-14 28-14-18 6-28 14z"/>
<path fill="none" stroke="{d}" stroke-width="6" stroke-linecap="round" d="M126 138q0-18 10-28M204 154q2-14 10-22"/><path fill="{l}" d="M136 112q28-20 46 2-28 14-46-2z"/>""",
    "gaiwan": """<ellipse cx="160" cy="234" rx="96" ry="18" fill="{l}"/><path fill="{b}" d="M92 142h136q-2 64-42 86h-52q-40-22-42-86z"/><path fill="{d}" d="M190 142h38q-2 64-42 86h-24q28-30 28-86z"/><path fill="{l}" d="M100 140q10-40 60-40t60 40z"/>
<rect x="142" y="84" width="36" height="20" rx="8" fill="{d}"/><path fill="none" stroke="{p}" stroke-width="5" stroke-linecap="round" d="M118 176q14 14 26 0t26 0 26 0"/>""",
    "teapot": """<path fill="none" stroke="{d}" stroke-width="14" d="M212 150q44-6 38 30-6 30-44 26"/><path fill="{b}" d="M96 168l-38-34q-8-8 4-10l20 2 22 22z"/><ellipse cx="156" cy="184" rx="72" ry="60" fill="{b}"/><path fill="{d}" d="M156 124a72 60 0 0 1 0 120q52-60 0-120z"/>
<ellipse cx="156" cy="130" rx="42" ry="14" fill="{l}"/><circle cx="156" cy="110" r="11" fill="{a}"/><path fill="none" stroke="{p}" stroke-width="5" stroke-linecap="round" d="M122 190q16 18 34 0t34 0"/>""",
    "mug": """<path fill="none" stroke="{d}" stroke-width="16" d="M206 138q52-6 46 40-6 40-52 34"/><path fill="{p}" d="M92 106h120v124q0 18-18 18h-84q-18 0-18-18z"/><path fill="{l}" d="M172 106h40v124q0 18-18 18h-34q12-60 12-142z"/><rect x="86" y="98" width="132" height="18" rx="9" fill="{b}"/>
<path fill="{a}" d="M152 206c-26-18-30-30-26-40 6-10 20-8 26 4 6-12 20-14 26-4 4 10 0 22-26 40z"/>""",
    "wok": """<rect x="214" y="150" width="92" height="18" rx="9" fill="{a}"/><path fill="{b}" d="M46 150h188q-8 84-94 84t-94-84z"/><path fill="{d}" d="M170 150h64q-8 84-94 84 34-30 30-84z"/><ellipse cx="140" cy="150" rx="94" ry="20" fill="{l}"/><ellipse cx="140" cy="152" rx="78" ry="13" fill="{d}"/>
<path fill="none" stroke="{p}" stroke-width="6" stroke-linecap="round" d="M108 116q-10-14 0-28t0-28M142 112q-10-14 0-28t0-28M176 116q-10-14 0-28t0-28" opacity=".75"/>""",
    "knife": """<path fill="{l}" d="M150 60q40 30 40 92v20h-40z"/><path fill="{p}" d="M150 60q18 30 18 112h-18z"/><path fill="none" stroke="{d}" stroke-width="2.500" d="M158 96q10 10 8 24t8 26M160 130q8 8 6 22" opacity=".6"/><rect x="146" y="170" width="48" height="14" rx="3" fill="{a}"/>
<path fill="{b}" d="M150 184h32l6 70q0 12-12 12h-18q-12 0-12-12z"/><circle cx="166" cy="206" r="4" fill="{l}"/><circle cx="167" cy="236" r="4" fill="{l}"/>""",
    "bedding": """<path fill="{d}" d="M60 212q0-18 18-18h164q18 0 18 18v34H60z"/><path fill="{b}" d="M66 176q0-16 18-16h152q18 0 18 16v38H66z"/><path fill="{p}" d="M84 106q36-16 74 0 6 28 0 56-38 14-74 0-6-28 0-56z"/><path fill="{l}" d="M166 108q34-14 70 0 6 26 0 54-36 14-70 0-6-28 0-54z"/>
<path fill="none" stroke="{l}" stroke-width="5" stroke-linecap="round" d="M66 196q48 14 94 0t94 0"/><path fill="none" stroke="{a}" stroke-width="4" stroke-linecap="round" d="M100 124q22-8 42 0M182 126q20-8 38 0"/>""",
    "lamp": """<path fill="{a}" opacity=".28" d="M92 132h104l44 112H48z"/><path fill="{b}" d="M112 72h64l28 62H84z"/><path fill="{d}" d="M150 72h26l28 62h-40z"/><path fill="none" stroke="{d}" stroke-width="10" stroke-linecap="round" stroke-linejoin="round" d="M176 84l50 44-18 112"/>
<rect x="160" y="238" width="92" height="16" rx="8" fill="{b}"/><ellipse cx="144" cy="136" rx="40" ry="8" fill="{p}"/>""",
    "earphones": """<rect x="96" y="152" width="128" height="94" rx="34" fill="{b}"/><path fill="{d}" d="M180 152h10q34 0 34 34v26q0 34-34 34h-10z"/><path stroke="{d}" stroke-width="4" d="M98 188h124"/><circle cx="160" cy="216" r="5" fill="{a}"/>
<circle cx="122" cy="102" r="24" fill="{p}"/><rect x="114" y="112" width="16" height="48" rx="8" fill="{p}"/><circle cx="122" cy="102" r="9" fill="{a}"/><circle cx="198" cy="102" r="24" fill="{p}"/><rect x="190" y="112" width="16" height="48" rx="8" fill="{p}"/><circle cx="198" cy="102" r="9" fill="{a}"/>""",
    "kettle": """<path fill="none" stroke="{d}" stroke-width="16" stroke-linecap="round" d="M210 118q50 4 42 52-4 34-26 44"/><path fill="{b}" d="M110 110h96l18 122q0 18-18 18h-96q-18 0-16-18z"/><path fill="{d}" d="M172 110h34l18 122q0 18-18 18h-34q14-60 0-140z"/><path fill="{b}" d="M112 132l-40-22q-10-6-6-12l46 4z"/>
<path fill="{l}" d="M120 108q4-26 38-26t38 26z"/><circle cx="158" cy="76" r="9" fill="{a}"/><rect x="120" y="196" width="56" height="24" rx="8" fill="{p}"/><path stroke="{a}" stroke-width="5" stroke-linecap="round" d="M130 208h20"/>""",
    "cooker": """<rect x="82" y="118" width="156" height="122" rx="34" fill="{p}"/><path fill="{l}" d="M190 118h14q34 0 34 34v54q0 34-34 34h-14z"/><path fill="{b}" d="M88 136q4-46 72-46t72 46z"/><rect x="144" y="76" width="32" height="18" rx="8" fill="{d}"/><rect x="126" y="164" width="68" height="48" rx="12" fill="{b}"/>
<circle cx="160" cy="188" r="13" fill="{a}"/><rect x="98" y="240" width="28" height="10" rx="5" fill="{d}"/><rect x="194" y="240" width="28" height="10" rx="5" fill="{d}"/>""",
    "grinder": """<path fill="none" stroke="{d}" stroke-width="10" stroke-linecap="round" d="M160 84V66h66"/><circle cx="228" cy="66" r="14" fill="{a}"/><rect x="118" y="84" width="84" height="30" rx="8" fill="{l}"/><rect x="122" y="112" width="76" height="74" fill="{b}"/><path fill="{d}" d="M172 112h26v74h-26z"/><rect x="116" y="184" width="88" height="66" rx="10" fill="{p}"/>
<path fill="{a}" d="M122 216h76v22q0 6-6 6h-64q-6 0-6-6z"/>""",
    "battery": """<rect x="102" y="70" width="116" height="184" rx="22" fill="{b}"/><path fill="{d}" d="M178 70h18q22 0 22 22v140q0 22-22 22h-18z"/><path fill="{a}" d="M168 112l-34 54h24l-8 44 36-58h-26z"/><circle cx="134" cy="232" r="5" fill="{p}"/><circle cx="150" cy="232" r="5" fill="{p}"/><circle cx="166" cy="232" r="5" fill="{l}"/>""",
    "tube": """<path fill="{b}" d="M116 70h88l-12 150h-64z"/><path fill="{d}" d="M170 70h34l-12 150h-26z"/><rect x="112" y="60" width="96" height="16" rx="4" fill="{l}"/><rect x="132" y="218" width="56" height="34" rx="7" fill="{p}"/>
<path fill="{p}" d="M160 106c9 0 11 10 7 16 7-4 16-1 16 8s-10 11-16 7c4 7 1 16-7 16s-11-9-7-16c-7 4-16 1-16-7s9-12 16-8c-4-6-2-16 7-16z"/><circle cx="160" cy="130" r="6" fill="{a}"/>""",
    "pump": """<path fill="none" stroke="{d}" stroke-width="9" stroke-linecap="round" d="M160 108V72h-34"/><rect x="142" y="96" width="36" height="24" rx="5" fill="{a}"/><path fill="{b}" d="M112 142q0-22 22-22h52q22 0 22 22v94q0 16-16 16h-64q-16 0-16-16z"/><path fill="{d}" d="M178 120h8q22 0 22 22v94q0 16-16 16h-14z"/>
<rect x="112" y="164" width="96" height="54" fill="{p}"/><path fill="none" stroke="{a}" stroke-width="5" stroke-linecap="round" d="M130 184q10-10 20 0t20 0 20 0M130 202q10-10 20 0t20 0 20 0"/>""",
    "book": """<path fill="{d}" d="M98 82q0-14 14-14h112v160H112q-14 0-14 14z"/><path fill="{p}" d="M98 242q0-14 14-14h112v26H112q-14 0-14-12z"/><path fill="{b}" d="M118 68h106v160H118z"/><rect x="142" y="98" width="58" height="74" fill="{l}"/>
<path fill="none" stroke="{a}" stroke-width="5" stroke-linecap="round" d="M171 158v-34m0 16c-10 0-14-6-14-14 10 0 14 6 14 14zm0-4c0-10 5-15 14-15 0 10-5 15-14 15z"/><path stroke="{l}" stroke-width="5" stroke-linecap="round" d="M148 192h46M156 206h30"/>""",
    "notebook": """<rect x="96" y="70" width="128" height="184" rx="12" fill="{b}"/><path fill="{d}" d="M96 82q0-12 12-12h14v184h-14q-12 0-12-12z"/><rect x="200" y="70" width="10" height="184" fill="{a}"/><rect x="136" y="104" width="50" height="34" rx="4" fill="{p}"/><path stroke="{d}" stroke-width="4" stroke-linecap="round" d="M146 116h30M146 126h18"/>""",
    "pack": """<rect x="82" y="112" width="156" height="132" rx="20" fill="{b}"/><path fill="{d}" d="M200 112h18q20 0 20 20v92q0 20-20 20h-18z"/><path fill="{p}" d="M116 112q44 26 88 0v-6q-10-28-20-6-14-40-28-6-16-34-26 0-14-16-14 12z"/><rect x="110" y="160" width="84" height="52" rx="12" fill="{l}"/><circle cx="138" cy="186" r="9" fill="{a}"/><circle cx="166" cy="186" r="9" fill="{a}"/>""",
    "cat": """<path fill="{b}" d="M98 92h124l8 146q0 12-12 12H102q-12 0-12-12z"/><path fill="{d}" d="M186 92h36l8 146q0 12-12 12h-32z"/><path fill="{l}" d="M98 92l8-20h108l8 20z"/><path fill="{p}" d="M118 142l18 14q24-8 48 0l18-14v44q0 38-42 38t-42-38z"/>
<circle cx="143" cy="184" r="6" fill="{d}"/><circle cx="177" cy="184" r="6" fill="{d}"/><path fill="{a}" d="M153 197h14l-7 9z"/>""",
    "van": """<path fill="{b}" d="M52 116q0-12 12-12h112v112H52z"/><path fill="{d}" d="M176 134h46l44 44v38h-90z"/><path fill="{p}" d="M194 148h22l26 28h-48z"/><circle cx="104" cy="220" r="25" fill="{d}"/><circle cx="104" cy="220" r="10" fill="{p}"/><circle cx="222" cy="220" r="25" fill="{b}"/><circle cx="222" cy="220" r="10" fill="{p}"/><path stroke="{l}" stroke-width="7" stroke-linecap="round" d="M76 138h62M76 160h40"/>""",
    "box": """<path fill="{b}" d="M160 92l92 36v84l-92 42-92-42v-84z"/><path fill="{d}" d="M160 168l92-40v84l-92 42z"/><path fill="{l}" d="M160 92l92 36-92 40-92-40z"/><path fill="{a}" d="M110 108l92 40v30l-18 8v-30l-92-40z"/>""",
}
"""What can be drawn, by name."""
