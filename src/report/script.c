/* The page's script: it searches and sorts the task cards. Without it they stand in their order, all of them. */
#include "report/run.h"

const char fr_report_script[] =
    "document.querySelectorAll('.tasks').forEach(function(box){"
    "var tools=box.querySelector('.tools'),cards=[].slice.call(box.querySelectorAll('details')),"
    "search=tools.querySelector('input'),order=tools.querySelector('select'),count=tools.querySelector('output'),"
    "texts=cards.map(function(card){return card.textContent.toLowerCase()});"
    "function look(){var words=search.value.toLowerCase().split(/\\s+/),shown=0;"
    "cards.forEach(function(card,i){card.hidden=!words.every(function(word){return texts[i].indexOf(word)>=0});"
    "shown+=!card.hidden});count.textContent=shown+' of '+cards.length}"
    "function sort(){var key=order.value.replace('-',''),sign=order.value[0]=='-'?-1:1;"
    "function value(card){var v=parseFloat(card.getAttribute('data-'+key));return v==v?sign*v:1/0}"
    "cards.slice().sort(function(a,b){var x=value(a),y=value(b);return x<y?-1:x>y?1:0})"
    ".forEach(function(card){box.appendChild(card)})}"
    "search.oninput=look;order.onchange=sort;tools.hidden=false;look()});";
